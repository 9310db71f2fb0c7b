// Peer (b): a Socket.IO server of Node, with the Redis adapter, plain or sharded, as its documentation has it.
// node web.mjs plain|sharded REDIS_URL PORT
import { createServer } from "node:http";
import { createAdapter, createShardedAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";

const [kind, url, port] = process.argv.slice(2);
const publisher = createClient({ url });
const subscriber = publisher.duplicate();
await Promise.all([publisher.connect(), subscriber.connect()]);

const http = createServer((_, response) => response.end("ok"));
const make = kind === "sharded" ? createShardedAdapter : createAdapter;
const io = new Server(http, { adapter: make(publisher, subscriber), transports: ["websocket"] });
io.on("connection", (socket) => {
  socket.on("join", async ({ room }, acknowledge) => {
    await socket.join(room);
    acknowledge();
  });
});
http.listen(Number(port), "127.0.0.1", 4096);
