// valet/app/api/apply/route.ts
import { NextRequest, NextResponse } from '../../../outside/next-server.js';
import { createRouteHandlerClient } from '../../../outside/auth-helpers.js';
import { cookies } from '../../../outside/next-headers.js';
import { gh } from '../../../lib/ghosthands.js';

export async function POST(request: NextRequest) {
  // 1. Authenticate the user via Supabase Auth
  const supabase = createRouteHandlerClient({ cookies });
  const { data: { user }, error: authError } = await supabase.auth.getUser();
  if (authError || !user) {
    return NextResponse.json({ error: 'unauthorized' }, { status: 401 });
  }

  // 2. Parse the request body
  const body = await request.json();

  // 3. Create the GhostHands automation job
  try {
    const job = await gh.createJob(user.id, {
      jobType: 'apply',
      targetUrl: body.jobUrl,
      taskDescription: `Apply to ${body.jobTitle} at ${body.company}`,
      inputData: {
        resumePath: body.resumePath,
        resumeId: body.resumeId,
        userData: {
          first_name: body.firstName,
          last_name: body.lastName,
          email: body.email,
          phone: body.phone,
          linkedin_url: body.linkedinUrl,
        },
        tier: body.subscriptionTier || 'starter',
        platform: body.platform,
        qaOverrides: body.qaOverrides || {},
      },
      priority: body.priority || 5,
      maxRetries: 3,
      timeoutSeconds: 300,
      tags: [body.platform, body.company?.toLowerCase()].filter(Boolean),
      idempotencyKey: `valet-apply-${user.id}-${body.jobUrl}`,
      metadata: {
        valet_task_id: body.valetTaskId,
        subscription_tier: body.subscriptionTier,
      },
    });

    return NextResponse.json(
      { jobId: job.id, status: job.status },
      { status: 201 },
    );
  } catch (err: any) {
    // Handle duplicate idempotency key (job already exists)
    if (err.code === 'duplicate_idempotency_key') {
      return NextResponse.json({
        error: 'duplicate',
        existingJobId: err.existingJobId,
        existingStatus: err.existingStatus,
      }, { status: 409 });
    }
    throw err;
  }
}
