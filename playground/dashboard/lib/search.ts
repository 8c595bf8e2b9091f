// What stands in a URL is anything at all: only what is known is taken from it.
export const oneOf = <T extends string>(allowed: readonly T[], given: unknown): T | undefined => {
  const found = String(given ?? '');
  return allowed.find((each) => each.toLowerCase() === found.toLowerCase());
};
export const text = (given: unknown) => (given === undefined || given === null || given === '' ? undefined : String(given).slice(0, 255));
