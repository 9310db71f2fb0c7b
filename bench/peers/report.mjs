// Peer (b) reports: @socket.io/redis-emitter, or, since that does not publish to shards, a server of the sharded adapter
// that has no clients. Answers requests as pace.py does.
// node report.mjs plain|sharded REDIS_URL
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { createShardedAdapter } from "@socket.io/redis-adapter";
import { Emitter } from "@socket.io/redis-emitter";
import { createClient } from "redis";
import { Server } from "socket.io";

const TOTAL = 1e9;
const STATUS = "Booting silent orbiter...";

const [kind, url] = process.argv.slice(2);
const publisher = createClient({ url });
await publisher.connect();

async function emitterOf() {
  if (kind === "plain") return new Emitter(publisher);
  const subscriber = publisher.duplicate();
  await subscriber.connect();
  return new Server({ adapter: createShardedAdapter(publisher, subscriber) });
}

const emitter = await emitterOf();
let done = 0;

async function report({ schedule }) {
  const last = {};
  const cpu = process.cpuUsage();
  const begun = performance.now();
  for (const [at, room] of schedule) {
    // Asleep until it is time, as pace.py: a process that looks each millisecond keeps its caches warm.
    for (let wait; (wait = begun + at * 1000 - performance.now()) > 0; ) await sleep(wait);
    const now = process.hrtime.bigint(); // the clock of Python's time.monotonic_ns
    last[room] = Number(now);
    const status = `${STATUS} @${now}`;
    emitter.to(room).emit("progress", { task_id: room, state: "PROGRESS", current: done++, total: TOTAL, status });
  }
  const { user, system } = process.cpuUsage(cpu);
  return { seconds: (performance.now() - begun) / 1000, cpu: (user + system) / 1e6, last };
}

console.log('"ready"');
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await report(JSON.parse(line))));
}
process.exit();
