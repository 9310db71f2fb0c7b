/** What is known of a connection, and what that comes to. */

/**
 * @typedef {"live" | "reconnecting" | "polling" | "offline"} ConnectionState
 */

export class ConnectionFacts {
  /** The socket is open; what follows is of this socket. */
  connected = false;
  /** The server said that it receives from Redis. */
  serverIsLive = false;
  /** All that is watched is acknowledged. */
  allAcknowledged = false;
  /** Nothing came over the socket for longer than the server's pings let expect. */
  silent = false;
  onLine = true;
  /** 0: not polling. */
  pollSeconds = 0;
  pollFailed = false;
  /** Why the last poll failed, in one sentence; "" where it did not. */
  fault = "";

  /** @returns {ConnectionState} */
  get state() {
    // Also on a machine that is on no network: localhost is enough.
    if (this.serverIsLive && this.allAcknowledged && !this.silent) return "live";
    if (!this.onLine || this.pollFailed) return "offline";
    return this.pollSeconds ? "polling" : "reconnecting";
  }

  /**
   * Why it is not live, in half a sentence.
   *
   * @param {string} refusal the server's own words, where it refuses the socket
   */
  why(refusal) {
    if (!this.connected) return refusal ? `the server refuses: ${refusal}` : "the websocket cannot be opened";
    if (this.silent) return "nothing comes over the websocket";
    return this.serverIsLive ? "the server does not answer over the websocket" : "the server receives nothing from Redis";
  }

  /**
   * Take in news; return whether a person sees a difference.
   *
   * @param {Partial<ConnectionFacts>} news
   */
  note(news) {
    const before = this.#shown;
    Object.assign(this, news);
    return this.#shown !== before;
  }

  get #shown() {
    return this.state === "polling" ? `polling ${this.pollSeconds}` : `${this.state} ${this.fault}`;
  }
}
