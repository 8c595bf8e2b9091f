// A receiver of Signalbox's webhooks, with nothing but Node: verify, remember the id, answer at once.
//
//     WEBHOOK_SECRET=whsec_... node receiver.mjs [PORT]
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const key = Buffer.from(process.env.WEBHOOK_SECRET.replace(/^whsec_/, ""), "base64");
const seen = new Set(); // in production: a unique column in your database

function isGenuine(headers, body) {
  const id = headers["webhook-id"];
  const timestamp = headers["webhook-timestamp"];
  if (!id || !timestamp || !(Math.abs(Date.now() / 1000 - Number(timestamp)) <= 300)) return false;
  const mac = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest("base64");
  const expected = Buffer.from(`v1,${mac}`);
  return (headers["webhook-signature"] ?? "").split(" ").some((each) => {
    const given = Buffer.from(each);
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
}

createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks); // the bytes as they came: parsing and printing JSON again changes them
  if (!isGenuine(request.headers, body)) return response.writeHead(401).end();
  if (!seen.has(request.headers["webhook-id"])) {
    seen.add(request.headers["webhook-id"]);
    const event = JSON.parse(body);
    console.log(request.headers["webhook-event"], event.jobId, event.taskName);
  }
  response.writeHead(204).end();
}).listen(Number(process.argv[2] ?? 9000), "127.0.0.1");
