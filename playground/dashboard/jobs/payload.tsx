// A payload as the reader types it: raw JSON, checked at every key, never parsed and printed again.
import WandSparkles from 'lucide-react/icons/wand-sparkles';
import { useId } from 'react';
import type { JSONSchema } from '../api/types';
import { Button, Problem } from '../ui/basics';

export function problemOf(text: string): string | null {
  if (!text.trim()) return null;
  try {
    JSON.parse(text);
    return null;
  } catch (error) {
    const message = (error as Error).message;
    const at = /position (\d+)/.exec(message);
    if (!at) return `No JSON: ${message}`;
    const before = text.slice(0, Number(at[1])).split('\n');
    return `No JSON at line ${before.length}, column ${before.at(-1)!.length + 1}: ${message.replace(/ in JSON at.*| \(line.*/g, '')}`;
  }
}

/** Indents JSON text without reading its values, so that numbers and strings stay byte for byte. */
export function indented(text: string): string {
  let out = '';
  let depth = 0;
  const newline = () => `\n${'  '.repeat(depth)}`;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g)) {
    if (token === '{' || token === '[') {
      depth++;
      out += token + newline();
    } else if (token === '}' || token === ']') {
      depth--;
      out = /[{[]\s*$/.test(out.slice(-400)) ? out.trimEnd() + token : out + newline() + token;
    } else if (token === ',') out += token + newline();
    else if (token === ':') out += ': ';
    else out += token;
  }
  return out;
}

const parsed = (text: string): Record<string, unknown> | null => {
  try {
    const value: unknown = text.trim() ? JSON.parse(text) : {};
    return value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
};

/** Numbers that a field must not print again, for they would change. */
const isExact = (text: string) => !/\d{16,}|\d[eE.]\d{12,}/.test(text);

const SIMPLE = ['string', 'number', 'integer', 'boolean'];

export function PayloadInput({ text, onChange, schema, error, rows = 6 }: { text: string; onChange: (text: string) => void; schema?: JSONSchema | null; error?: string | null; rows?: number }) {
  const id = useId();
  const problem = problemOf(text) ?? error;
  const value = parsed(text);
  const fields = Object.entries(schema?.properties ?? {}).filter(([, each]) => SIMPLE.includes(each.type ?? '') || each.enum);
  const usable = value !== null && isExact(text);
  function setField(name: string, given: unknown) {
    const next = { ...value };
    if (given === undefined) delete next[name];
    else next[name] = given;
    onChange(JSON.stringify(next, null, 2));
  }
  return (
    <div>
      {fields.length > 0 && (
        <fieldset disabled={!usable} className="mb-3 grid gap-3 rounded-md border border-line p-3 sm:grid-cols-2">
          <legend className="px-1 text-xs text-soft">Fields of this task</legend>
          {fields.map(([name, each]) => {
            const current = value?.[name];
            const required = schema?.required?.includes(name);
            const inputId = `${id}-${name}`;
            return (
              <div key={name} title={each.description}>
                <label className="label font-mono" htmlFor={inputId}>
                  {name}
                  {required ? <span className="text-failed"> *</span> : <span className="font-sans text-soft"> optional</span>}
                </label>
                {each.type === 'boolean' ? (
                  <select id={inputId} className="field" value={current === undefined ? '' : String(current)} onChange={(event) => setField(name, event.target.value === '' ? undefined : event.target.value === 'true')}>
                    <option value="">{each.default === undefined ? '' : `default (${String(each.default)})`}</option>
                    <option value="true">true</option>
                    <option value="false">false</option>
                  </select>
                ) : each.enum ? (
                  <select id={inputId} className="field" value={current === undefined ? '' : String(current)} onChange={(event) => setField(name, each.enum!.find((one) => String(one) === event.target.value))}>
                    <option value="" />
                    {each.enum.map((one) => (
                      <option key={String(one)}>{String(one)}</option>
                    ))}
                  </select>
                ) : (
                  <input
                    id={inputId}
                    className="field"
                    type={each.type === 'string' ? 'text' : 'number'}
                    step={each.type === 'integer' ? 1 : 'any'}
                    placeholder={each.default === undefined || each.default === null ? '' : String(each.default)}
                    value={current === undefined ? '' : String(current)}
                    onChange={(event) =>
                      setField(name, event.target.value === '' ? undefined : each.type === 'string' ? event.target.value : Number(event.target.value))
                    }
                  />
                )}
              </div>
            );
          })}
          {!usable && <p className="text-xs text-soft sm:col-span-2">The payload below holds what fields cannot show exactly: edit it as JSON.</p>}
        </fieldset>
      )}
      <div className="mb-1 flex items-end justify-between gap-2">
        <label className="label mb-0!" htmlFor={id}>
          Payload <span className="font-normal text-soft">(JSON)</span>
        </label>
        <Button kind="bare" className="min-h-6! px-1.5! py-0! text-xs" disabled={!text.trim() || problemOf(text) !== null} onClick={() => onChange(indented(text))}>
          <WandSparkles aria-hidden className="size-3.5" /> Indent
        </Button>
      </div>
      <textarea
        id={id}
        rows={rows}
        spellCheck={false}
        className="field resize-y font-mono text-[13px]"
        placeholder='{"email": "example@test.com"}'
        aria-invalid={Boolean(problem)}
        aria-describedby={`${id}-problem`}
        value={text}
        onChange={(event) => onChange(event.target.value)}
      />
      <div id={`${id}-problem`} className="mt-1 min-h-5 text-[13px]">
        {problem && <Problem>{problem}</Problem>}
      </div>
    </div>
  );
}
