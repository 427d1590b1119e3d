// The handler of /api/metrics: the rows of one metric, for callers with the key.
const { readdirSync, readFileSync } = require('node:fs');
const { join } = require('node:path');
const cors = require('cors')();
const { setCache } = require('./cache');

const FOLDER = join(__dirname, 'queries');
const QUERIES = Object.fromEntries(
  readdirSync(FOLDER)
    .map((file) => JSON.parse(readFileSync(join(FOLDER, file), 'utf8')))
    .map(({ id, rows }) => [id, rows]),
);

module.exports = async (req, res) => {
  await new Promise((done) => cors(req, res, done));
  if (req.headers['x-api-key'] !== process.env.API_KEY) return res.status(401).json({ error: 'Unauthorized' });
  const { metricId, echo } = req.query;
  if (echo) return res.status(200).json({ echo, body: req.body, address: req.headers['x-real-ip'] });
  if (!QUERIES[metricId]) return res.status(400).json({ error: 'InvalidMetric' });
  setCache(metricId, QUERIES[metricId]);
  return res.status(200).json(QUERIES[metricId]);
};
