// Runs the tests against a whole system: the one named by the environment, else one started for them and stopped afterwards.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const build = fileURLToPath(new URL('../build/', import.meta.url));
const root = fileURLToPath(new URL('../../../', import.meta.url));

/** Starts the system; what it says about itself becomes our environment. */
async function start() {
  const target = process.env.CARGO_TARGET_DIR ?? join(root, 'target');
  const program = join(target, 'debug/stack');
  if (!existsSync(program)) {
    throw new Error(`${program} is not built: run \`cargo build --workspace --bins\``);
  }
  const output = mkdtempSync(join(tmpdir(), 'ghosthands-client-'));
  const child = spawn(program, ['up', '--output', output], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const environment = {};
  for await (const line of createInterface({ input: child.stdout })) {
    const [, name, value] = /^export (\w+)='(.*)'$/.exec(line) ?? [];
    const [, site] = /^\s+career site\s+(\S+)/.exec(line) ?? [];
    Object.assign(environment, name && { [name]: value }, site && { GH_SITE_URL: site });
    if (name === 'GH_ENCRYPTION_KEY') {
      break; // the last one
    }
  }
  const stop = async () => {
    child.kill('SIGTERM');
    const code = await ended;
    rmSync(output, { recursive: true, force: true });
    return code ?? 1;
  };
  return { environment, stop };
}

const given = process.env.GHOSTHANDS_API_URL !== undefined;
const { environment, stop } = given ? { environment: {}, stop: async () => 0 } : await start();
const files = readdirSync(build).filter((name) => name.endsWith('.test.js')).map((name) => join(build, name));
const tests = spawn(process.execPath, ['--test', ...process.argv.slice(2), ...files], {
  env: { ...process.env, ...environment },
  stdio: 'inherit',
});
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => tests.kill(signal));
}
const code = await new Promise((resolve) => tests.once('exit', (code) => resolve(code ?? 1)));
const stopped = await stop();
process.exitCode = code || stopped;
