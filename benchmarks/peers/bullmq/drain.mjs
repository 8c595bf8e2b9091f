// BullMQ on Redis: 100 at a time; a finished job and its result are kept in Redis.
import { Queue, Worker } from "bullmq";

const url = new URL(process.argv[2]);
const jobs = Number(process.argv[3]);
const connection = { host: url.hostname, port: Number(url.port), maxRetriesPerRequest: null };
const queue = new Queue("noop", { connection });
for (let n = 0; n < jobs / 1000; n++) {
  await queue.addBulk(Array.from({ length: 1000 }, () => ({ name: "noop", data: {} })));
}
let started = 0;
let done = 0;
const worker = new Worker(
  "noop",
  async () => {
    started ||= performance.now();
  },
  { connection, concurrency: 100 },
);
worker.on("completed", async () => {
  if (++done < jobs) return;
  console.log(JSON.stringify({ jobs: done, seconds: (performance.now() - started) / 1000 }));
  process.exit(0);
});
