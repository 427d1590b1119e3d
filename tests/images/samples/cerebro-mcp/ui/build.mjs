import { mkdirSync, writeFileSync } from 'node:fs';

mkdirSync('dist', { recursive: true });
writeFileSync('dist/index.html', `<title>${process.env.CEREBRO_UI_ENTRY} built by npm</title>\n`);
