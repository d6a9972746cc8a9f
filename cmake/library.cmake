# glionode_has_part(NAME OUT): is this folder to be configured? server needs all the others.
function(glionode_has_part name out)
  if(GLIONODE_PARTS STREQUAL "all" OR name IN_LIST GLIONODE_PARTS)
    set(${out} ON PARENT_SCOPE)
  elseif(name STREQUAL "config" AND GLIONODE_PARTS MATCHES "storage|dicom|server")
    set(${out} ON PARENT_SCOPE)
  else()
    set(${out} OFF PARENT_SCOPE)
  endif()
endfunction()

# glionode_library(NAME SOURCES ... [PUBLIC ...] [PRIVATE ...] [SYSTEM_INCLUDES ...]): one static library a folder.
# Third-party libraries go under PRIVATE: they stay out of headers that other folders include.
function(glionode_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;PUBLIC;PRIVATE;SYSTEM_INCLUDES")
  add_library(${name} STATIC ${arg_SOURCES})
  target_link_libraries(${name} PUBLIC glionode_options ${arg_PUBLIC} PRIVATE glionode_warnings ${arg_PRIVATE})
  if(arg_SYSTEM_INCLUDES)
    target_include_directories(${name} SYSTEM PRIVATE ${arg_SYSTEM_INCLUDES})
  endif()
endfunction()
