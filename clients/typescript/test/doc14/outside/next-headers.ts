/** `next/headers`, as far as the samples use it. */
export const cookies = (): unknown => undefined;
