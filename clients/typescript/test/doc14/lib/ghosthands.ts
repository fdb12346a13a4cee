// valet/lib/ghosthands.ts
import { GhostHandsClient } from 'ghosthands/client';

// ── Option A: REST API mode (recommended for production) ──────────
export const gh = new GhostHandsClient(
  process.env.GHOSTHANDS_API_URL!,   // e.g., https://ghosthands-api.fly.dev/api/v1/gh
  process.env.GH_SERVICE_SECRET!,     // Service-to-service API key
);

// ── Option B: Direct DB mode (lowest latency, no API dependency) ──
export const ghDirect = new GhostHandsClient({
  mode: 'db',
  supabaseUrl: process.env.SUPABASE_URL!,
  supabaseKey: process.env.SUPABASE_SERVICE_KEY!,
});
