/** `next/server`, as far as the samples use it. */
export class NextRequest extends Request {}

export class NextResponse extends Response {
  static override json(body: unknown, init?: ResponseInit): NextResponse {
    const headers = { 'Content-Type': 'application/json' };
    return new NextResponse(JSON.stringify(body), { headers, ...init });
  }
}
