// Numbers stay as they are written: as JavaScript's own, 9007199254740993 would become 9007199254740992. In a browser that
// does not know JSON.rawJSON they do.
const { rawJSON } = JSON as { rawJSON?: (text: string) => unknown };

export function keepNumber(_key: string, value: unknown, context?: { source?: string }): unknown {
  const source = context?.source;
  return typeof value === 'number' && source && rawJSON && String(value) !== source ? rawJSON(source) : value;
}

export const parseExact = (text: string): unknown => JSON.parse(text, keepNumber as (key: string, value: unknown) => unknown);

/** Like the browser's fetch, with a `json()` that keeps numbers. */
export async function fetchExact(...given: Parameters<typeof fetch>): Promise<Response> {
  const response = await fetch(...given);
  response.json = async () => parseExact(await response.text());
  return response;
}
