// valet/app/api/apply-batch/route.ts
import { authenticateUser } from '../../../outside/valet.js';
import { NextRequest, NextResponse } from '../../../outside/next-server.js';
import { gh } from '../../../lib/ghosthands.js';

export async function POST(request: NextRequest) {
  const { user } = await authenticateUser(request);
  const { applications } = await request.json();

  const result = await gh.createBatch(user.id, applications.map((app: any) => ({
    jobType: 'apply' as const,
    targetUrl: app.jobUrl,
    taskDescription: `Apply to ${app.jobTitle} at ${app.company}`,
    inputData: {
      userData: app.userData,
      tier: app.tier,
      qaOverrides: app.qaOverrides,
    },
    tags: ['batch', app.platform],
    idempotencyKey: `batch-${user.id}-${app.jobUrl}`,
  })));

  return NextResponse.json({
    created: result.created.length,
    jobIds: result.created.map(j => j.id),
    errors: result.errors,
  }, { status: 201 });
}
