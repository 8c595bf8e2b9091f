// Runs graphql-http's server audits against the URL given; one JSON document with each audit's outcome goes to stdout.
import { serverAudits } from 'graphql-http';

const [url] = process.argv.slice(2);
const outcomes = [];
for (const audit of serverAudits({ url })) {
  const result = await audit.fn();
  const response = result.response && `${result.response.status} ${await result.response.text().catch(() => '')}`;
  outcomes.push({ id: audit.id, name: audit.name, status: result.status, reason: result.reason, response });
}
console.log(JSON.stringify(outcomes));
