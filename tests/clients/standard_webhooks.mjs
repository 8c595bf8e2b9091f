// A receiver with npm's standardwebhooks: makes an endpoint of itself, runs a job, and tells what the library says of the
// webhook, and of the same one with a wrong secret, another body, another id and a later clock.
import { createServer } from 'node:http';
import { Webhook, WebhookVerificationError } from 'standardwebhooks';

const PATIENCE_MS = 30_000;
const TASK_NAME = 'Grüße senden'; // no task of this name: it is simulated
const [graphqlUrl] = process.argv.slice(2);

async function execute(query, variables) {
  const response = await fetch(graphqlUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  if (errors) throw new Error(JSON.stringify(errors));
  return data;
}

/** Resolves with each webhook in turn, as bytes and headers. */
function listen() {
  const arrived = [];
  const waiting = [];
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const webhook = { headers: request.headers, body: Buffer.concat(chunks) };
    response.writeHead(204).end();
    const next = waiting.shift();
    if (next) next(webhook);
    else arrived.push(webhook);
  });
  const next = () => new Promise((resolve) => (arrived.length ? resolve(arrived.shift()) : waiting.push(resolve)));
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve({ port: server.address().port, next })));
}

/** What the library says: the parsed body, or the message with which it refuses. */
function verdict(secret, body, headers) {
  try {
    return { accepted: new Webhook(secret).verify(body, headers) };
  } catch (error) {
    if (!(error instanceof WebhookVerificationError)) throw error;
    return { refused: error.message };
  }
}

const deadline = setTimeout(() => {
  console.error('no webhook came in time');
  process.exit(1);
}, PATIENCE_MS);
const { port, next } = await listen();
const { endpoint, secret } = (
  await execute(
    `mutation($input: CreateWebhookEndpointInput!) { createWebhookEndpoint(input: $input) { secret endpoint { id } } }`,
    { input: { url: `http://127.0.0.1:${port}/`, taskNames: [TASK_NAME] } },
  )
).createWebhookEndpoint;
const { job } = (
  await execute(`mutation($input: CreateJobInput!) { createJob(input: $input) { job { id } } }`, {
    input: { taskName: TASK_NAME, payload: { text: 'Grüße, 世界' }, run: true },
  })
).createJob;
const { headers, body } = await next();

const rotated = (
  await execute(`mutation($id: ID!) { rotateWebhookSecret(id: $id) { secret } }`, { id: endpoint.id })
).rotateWebhookSecret.secret;
await execute(`mutation($id: ID!) { redeliverWebhook(id: $id) { delivery { id } } }`, { id: headers['webhook-id'] });
const again = await next();
await execute(`mutation($id: ID!) { deleteWebhookEndpoint(id: $id) { id } }`, { id: endpoint.id });
clearTimeout(deadline);

const late = { ...headers, 'webhook-timestamp': String(Number(headers['webhook-timestamp']) - 301) };
console.log(
  JSON.stringify({
    jobId: job.id,
    genuine: verdict(secret, body, headers),
    wrongSecret: verdict(`whsec_${Buffer.alloc(32, 7).toString('base64')}`, body, headers),
    secretOfLater: verdict(rotated, body, headers),
    changedBody: verdict(secret, body.toString().replace('Grüße', 'Grusse'), headers),
    anotherId: verdict(secret, body, { ...headers, 'webhook-id': 'msg_1' }),
    late: verdict(secret, body, late),
    rotatedByOld: verdict(secret, again.body, again.headers),
    rotatedByNew: verdict(rotated, again.body, again.headers),
  }),
);
process.exit(0);
