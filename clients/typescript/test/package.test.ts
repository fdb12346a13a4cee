/** The package as others get it: both kinds of modules, its types, and life without the optional package. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');

/** A package that depends on ours, as `npm pack` would give it, and on nothing else. */
let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'ghosthands-consumer-'));
  const listed = execFileSync('npm', ['pack', '--json', '--dry-run', '--ignore-scripts'], { cwd: root, encoding: 'utf8' });
  const files = (JSON.parse(listed) as [{ files: Array<{ path: string }> }])[0].files.map((file) => file.path);
  assert.ok(files.every((path) => /^(dist\/|package\.json$|README\.md$)/.test(path)), files.join());
  for (const path of files) {
    const to = join(folder, 'node_modules/ghosthands', path);
    mkdirSync(join(to, '..'), { recursive: true });
    copyFileSync(join(root, path), to);
  }
});
after(() => rmSync(folder, { recursive: true, force: true }));

const run = (file: string, text: string) => {
  writeFileSync(join(folder, file), text);
  return execFileSync(process.execPath, [file], { cwd: folder, encoding: 'utf8' }).trim();
};
const USE = `
  const direct = new GhostHandsClient({ mode: 'db', supabaseUrl: 'http://127.0.0.1:1', supabaseKey: 'k' });
  direct.getJob('x').catch((error) => console.log(error.code, error instanceof GhostHandsError));`;

for (const [kind, file, load] of [
  ['import', 'use.mjs', `import { GhostHandsClient, GhostHandsError } from 'ghosthands/client';`],
  ['require', 'use.cjs', `const { GhostHandsClient, GhostHandsError } = require('ghosthands/client');`],
] as const) {
  it(`can be had by ${kind}, and says what is missing when the optional package is`, () => {
    assert.equal(run(file, load + USE), 'client_config true');
  });
}

for (const options of [
  { module: 'NodeNext' }, { module: 'ESNext', moduleResolution: 'Bundler' }, { module: 'CommonJS', moduleResolution: 'Node10' },
]) {
  it(`has types under ${JSON.stringify(options)}, also without the optional package's`, () => {
    copyFileSync(join(root, 'test/consumer/consumer.ts'), join(folder, 'consumer.ts'));
    writeFileSync(join(folder, 'package.json'), '{"type":"commonjs"}');
    const compilerOptions = { ...options, target: 'ES2022', strict: true, skipLibCheck: false, noEmit: true, types: [] };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['consumer.ts'] }));
    execFileSync(process.execPath, [tsc, '-p', '.'], { cwd: folder, stdio: 'pipe', encoding: 'utf8' });
  });
}

it('depends on nothing', () => {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  assert.equal(manifest.dependencies, undefined);
  assert.deepEqual(Object.keys(manifest.peerDependencies), ['@supabase/supabase-js']);
  assert.equal(manifest.peerDependenciesMeta['@supabase/supabase-js'].optional, true);
});
