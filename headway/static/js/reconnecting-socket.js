/** A socket that is opened again where it would stay closed, and watched while it says nothing. */

/**
 * @typedef {object} SocketEvents
 * @property {() => void} connect
 * @property {() => void} disconnect
 * @property {(isSilent: boolean) => void} silence nothing came for longer than the server's pings let expect; or it did
 */

const ANSWER_MS = 5000; // the server itself gives up on Redis after 2 s
const SENT_AWAY_MS = 500;
const REFUSED_MS = 2000;
const SILENCE_MS = 9000; // the server pings every 7 s, and Engine.IO waits 6 s more before it gives the socket up

export class ReconnectingSocket {
  #socket;
  #random;
  #isOpen = false;
  #isClosed = false; // for good
  /** @type {ReturnType<typeof setTimeout> | undefined} until it may have been silent for too long */
  #silence;
  #heardAt = 0;
  #isSilent = false;
  /** @type {(isSilent: boolean) => void} */
  #onSilence = () => {};
  /** The server's own words, where it opened the websocket and then refused it. */
  refusal = "";

  /**
   * @param {import("./socket.js").Socket} socket
   * @param {() => number} random
   */
  constructor(socket, random) {
    this.#socket = socket;
    this.#random = random;
  }

  /**
   * Open it, and keep it open.
   *
   * @param {SocketEvents} events
   */
  open({ connect, disconnect, silence }) {
    const socket = this.#socket;
    this.#onSilence = silence;
    socket.on("connect", () => {
      this.#isOpen = true;
      this.refusal = "";
      this.#expectPackets();
      connect();
    });
    socket.on("disconnect", (/** @type {string} */ reason) => {
      this.#isOpen = false;
      disconnect();
      if (reason === "io server disconnect") this.#connectWithin(SENT_AWAY_MS);
    });
    socket.on("connect_error", (/** @type {Error} */ error) => {
      this.refusal = socket.active ? "" : error.message;
      this.#connectWithin(REFUSED_MS);
    });
    socket.on("packet", () => this.#expectPackets());
    socket.connect();
  }

  /**
   * Listen to an event of the server's.
   *
   * @param {string} event
   * @param {(payload: any) => void} listener
   */
  on(event, listener) {
    this.#socket.on(event, listener);
  }

  /** Close it for good. */
  close() {
    this.#isClosed = true;
    this.#socket.disconnect();
    clearTimeout(this.#silence);
  }

  /** Connect now rather than at the next turn of the back-off. */
  reconnectNow() {
    if (!this.#isOpen && !this.#isClosed) this.#restart();
  }

  /**
   * Call the server and return its answer. A socket that does not answer is dead, whatever it says, and is opened again.
   *
   * @param {string} event
   * @param {object} payload
   * @returns {Promise<any>}
   */
  async request(event, payload) {
    if (!this.#isOpen) throw new Error("The socket is not open");
    try {
      return await this.#socket.request(event, payload, ANSWER_MS);
    } catch (error) {
      if (this.#isOpen) this.#restart();
      throw error;
    }
  }

  /** A half-open socket says nothing, and no error either: until Engine.IO has found out, there is polling. */
  #expectPackets() {
    this.#heardAt = Date.now(); // a timer for each of thousands of packets would cost more than reading them
    if (this.#isSilent) this.#noteSilence(false);
    this.#silence ??= setTimeout(() => this.#checkSilence(), SILENCE_MS);
  }

  #checkSilence() {
    const rest = Math.min(SILENCE_MS, this.#heardAt + SILENCE_MS - Date.now()); // the time of day may have been set
    this.#silence = rest > 0 ? setTimeout(() => this.#checkSilence(), rest) : undefined;
    if (rest <= 0) this.#noteSilence(true);
  }

  /** @param {boolean} isSilent */
  #noteSilence(isSilent) {
    this.#isSilent = isSilent;
    this.#onSilence(isSilent);
  }

  /**
   * The socket gives up where the server itself says no; it may be starting, or stopping beside another.
   *
   * @param {number} ms
   */
  #connectWithin(ms) {
    setTimeout(() => {
      if (!this.#isClosed) this.#socket.connect();
    }, ms * this.#random());
  }

  #restart() {
    this.#socket.disconnect();
    this.#socket.connect();
  }
}
