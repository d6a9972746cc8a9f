-- A routing rule of a PACS: every study that has not grown for StableAge seconds goes to the node.
function OnStableStudy(study, tags, metadata)
  RestApiPost('/modalities/glionode/store', '{"Resources": ["' .. study .. '"], "Asynchronous": true}')
end
