/** What the samples take for granted, and who is signed in. */
export const session: { userId: string | undefined; supabaseUrl: string } = { userId: undefined, supabaseUrl: '' };

export async function authenticateUser(_request: unknown): Promise<{ user: { id: string } }> {
  return { user: { id: session.userId ?? '' } };
}
