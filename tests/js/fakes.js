/** What the browser and the server give, under the test's hand. */

/** A socket that answers as `answer` says, and whose server pings. */
export class FakeSocket {
  connected = false;
  active = true;
  dead = false; // half-open: nothing comes, and nothing says so
  calls = [];
  restarts = 0;
  #listeners = new Map();
  #isBegun = false;

  answer = (event, payload) => ({ snapshots: [], logs: {}, missing: [], event, payload });

  on(event, listener) {
    this.#listeners.set(event, listener);
  }

  emit(event, payload) {
    this.#listeners.get(event)?.(payload);
    if (this.connected && !this.dead) this.#hear();
  }

  #hear() {
    this.#listeners.get("packet")?.();
  }

  #ping() {
    if (!this.connected || this.dead) return;
    this.#hear();
    setTimeout(() => this.#ping(), 7000);
  }

  open({ live = true } = {}) {
    this.connected = true;
    this.emit("connect");
    this.emit("server", server({ live }));
    this.#ping();
  }

  close(reason = "transport close") {
    this.connected = false;
    this.emit("disconnect", reason);
  }

  connect() {
    if (this.#isBegun) this.restarts++;
    this.#isBegun = true;
  }

  disconnect() {
    if (this.connected) this.close("io client disconnect");
  }

  async request(event, payload) {
    this.calls.push([event, payload]);
    return this.answer(event, payload);
  }

  names() {
    return this.calls.map(([event]) => event);
  }
}

/** A fetch that notes addresses and answers as `answer` says; with `tag`, 304 to one that has it. */
export class FakeServer {
  addresses = [];
  tag = "";
  notModified = 0;

  answer = (address) => (address.startsWith("/tasks") ? { tasks: [] } : { snapshots: [], missing: [] });

  fetch = async (address, { headers = {} } = {}) => {
    this.addresses.push(String(address));
    if (this.tag && headers["If-None-Match"] === this.tag) {
      this.notModified++;
      return { ok: false, status: 304 };
    }
    const text = async () => JSON.stringify({ server: server(), ...(await this.answer(String(address))) });
    return { ok: true, status: 200, text, headers: new Headers(this.tag ? { ETag: this.tag } : {}) };
  };
}

export function server(state = {}) {
  return { live: true, now: null, workers: 1, slots: 4, queued: 0, queues: {}, paused: false, ...state };
}

export function snapshot(task_id, version, state = {}) {
  return {
    task_id,
    version,
    phase: "running",
    queue_position: null,
    queue: null,
    updated_at: "2026-11-22T08:00:00.000Z",
    ...state,
  };
}

/** Let everything happen that waits for no clock. */
export function settled() {
  return new Promise((resolve) => setImmediate(resolve));
}
