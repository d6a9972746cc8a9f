// Reads a structured report the way a web viewer does (OHIF's handler for TID 1500 walks the same items, with the same
// library), and prints what such a viewer would list. usage: node read_report.js FILE MODULES_FOLDER
'use strict';

const fs = require('fs');
const path = require('path');
const { createRequire } = require('module');

const [file, modules] = process.argv.slice(2);
const dcmjs = createRequire(path.resolve(modules, 'package.json'))('dcmjs');
dcmjs.log.setLevel(dcmjs.log.levels.ERROR);

const asArray = (sequence) => (sequence ? (Array.isArray(sequence) ? [...sequence] : [sequence]) : []);
const first = (sequence) => asArray(sequence)[0] || {};
const named = (items, code) => asArray(items).filter((item) => first(item.ConceptNameCodeSequence).CodeValue === code);
const concept = (item) => first(item.ConceptCodeSequence);

const bytes = fs.readFileSync(file);
const message = dcmjs.data.DicomMessage.readFile(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
const report = dcmjs.data.DicomMetaDictionary.naturalizeDataset(message.dict);

if (first(report.ConceptNameCodeSequence).CodeValue !== '126000') throw new Error('no Imaging Measurement Report');

const library = named(report.ContentSequence, '111028')[0];
const images = named(library.ContentSequence, '126200').flatMap((group) =>
  asArray(group.ContentSequence).flatMap((item) => asArray(item.ReferencedSOPSequence)));

const groups = named(report.ContentSequence, '126010').flatMap((measurements) =>
  named(measurements.ContentSequence, '125007')).map((group) => ({
  trackingIdentifier: (named(group.ContentSequence, '112039')[0] || {}).TextValue,
  trackingUid: (named(group.ContentSequence, '112040')[0] || {}).UID,
  finding: concept(named(group.ContentSequence, '121071')[0]).CodeMeaning,
  site: concept(named(group.ContentSequence, '363698007')[0] || {}).CodeMeaning,
  numbers: asArray(group.ContentSequence).filter((item) => item.ValueType === 'NUM').map((item) => {
    const measured = first(item.MeasuredValueSequence);
    return {
      label: first(item.ConceptNameCodeSequence).CodeMeaning,
      of: concept(first(item.ContentSequence)).CodeMeaning,
      value: Number(measured.NumericValue),
      unit: first(measured.MeasurementUnitsCodeSequence).CodeValue,
    };
  }),
}));

const comment = asArray(report.ContentSequence).find(
  (item) => item.ValueType === 'TEXT' && item.RelationshipType === 'CONTAINS') || {};
process.stdout.write(JSON.stringify({
  seriesDescription: report.SeriesDescription,
  comment: comment.TextValue,
  images: images.length,
  evidence: asArray(report.CurrentRequestedProcedureEvidenceSequence).length,
  groups,
}) + '\n');
