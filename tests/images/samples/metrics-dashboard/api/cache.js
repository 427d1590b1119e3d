// Shared by the handlers: the last answer by key, in a file under /tmp as in the real ones.
const { mkdirSync, writeFileSync } = require('node:fs');

module.exports = {
  setCache(key, value) {
    mkdirSync('/tmp/cache', { recursive: true });
    writeFileSync(`/tmp/cache/${key}.json`, JSON.stringify(value));
  },
};
