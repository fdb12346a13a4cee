// valet/lib/ghosthands-poll.ts
import { gh } from '../lib/ghosthands.js';

export async function waitForJobResult(jobId: string, timeoutMs = 300_000) {
  const result = await gh.pollForCompletion(jobId, {
    intervalMs: 2000,
    timeoutMs,
  });
  return result;
}
