// The operation that a link brings in its fragment, as `#query=...&variables=...`. It is read once and leaves the address,
// so that a reload does not open it again and what is copied from there is this page alone.
const given = new URLSearchParams(location.hash.slice(1));
const query = given.get('query');
if (query !== null) history.replaceState(history.state, '', location.pathname + location.search);

export const operation = query === null ? undefined : { query, variables: given.get('variables') ?? '' };
