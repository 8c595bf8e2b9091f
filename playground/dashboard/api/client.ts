// Requests to the server that serves this page. Payloads travel as the text the user wrote: parsing and printing them
// again would round large integers.
import { key, refused } from './session';

// <base> leads to the prefix the dashboard is mounted at, whatever the depth of the page that was opened first.
export const base = new URL(document.baseURI).pathname;
export const endpoint = new URL('graphql', document.baseURI).href;

export class APIError extends Error {
  code: string;
  field?: string;
  constructor(message: string, code: string, field?: string) {
    super(message);
    this.code = code;
    this.field = field;
  }
}

/** JSON text that goes into a request's variables as it is. */
export class RawJSON {
  readonly text: string;
  readonly token = `raw:${Math.random().toString(36).slice(2)}${Math.random().toString(36).slice(2)}`;
  constructor(text: string) {
    this.text = text;
  }
  toJSON() {
    return this.token;
  }
}

/** JSON text of a value in which payloads stand as they were written. */
export function json(value: unknown, indent?: number): string {
  const raws: RawJSON[] = [];
  const text = JSON.stringify(
    value,
    function (name, each) {
      // JSON.stringify has called toJSON already; the holder still has the object.
      const original = (this as Record<string, unknown>)[name];
      if (original instanceof RawJSON) raws.push(original);
      return each;
    },
    indent,
  );
  return raws.reduce((all, raw) => all.replace(`"${raw.token}"`, () => raw.text), text);
}

export const body = (query: string, variables: Record<string, unknown>) => json({ query: query.replace(/\s+/g, ' '), variables });

/** Where GraphiQL opens with an operation. It travels in the fragment, which no server and no log sees. */
export const inGraphiQL = (query: string, variables: Record<string, unknown>) =>
  `${endpoint}#${new URLSearchParams({ query, variables: json(variables, 2) })}`;

interface Answer<T> {
  data?: T | null;
  errors?: { message: string; extensions?: { code?: string; field?: string } }[];
}

export async function request<T>(
  query: string,
  variables: Record<string, unknown> = {},
  signal?: AbortSignal,
): Promise<T> {
  const used = key();
  let response: Response;
  try {
    response = await fetch(endpoint, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json',
        ...(used ? { authorization: `Bearer ${used}` } : {}),
      },
      body: body(query, variables),
      signal,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new APIError('The server cannot be reached.', 'UNREACHABLE');
  }
  let answer: Answer<T>;
  try {
    answer = (await response.json()) as Answer<T>;
  } catch {
    throw new APIError(`The server answered ${response.status} without JSON.`, 'UNREACHABLE');
  }
  const [first] = answer.errors ?? [];
  if (first) {
    const code = first.extensions?.code ?? 'UNKNOWN';
    if (code === 'UNAUTHENTICATED') refused(used);
    throw new APIError(first.message, code, first.extensions?.field);
  }
  return answer.data as T;
}
