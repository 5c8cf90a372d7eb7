/// Who we are to the hub: signed in or not.
import { Failure, answer, api, credentials } from "./api/client.ts";
import { house } from "./live/house.svelte.ts";

class Session {
  signedIn = $state(credentials.token !== null);
  /// Whether the hub ended it, which a person should be told.
  ended = $state(false);

  constructor() {
    credentials.onSignedOut(() => this.#end(true));
  }

  open(): void {
    house.start(() => this.#end(true));
  }

  /// Tries a token; the failure says why not.
  async signIn(token: string): Promise<void> {
    credentials.token = token.trim();
    try {
      await answer(api.GET("/api/v1/locks"));
    } catch (error) {
      credentials.token = null;
      throw error instanceof Failure ? error : new Failure("unreachable", "", 0);
    }
    this.ended = false;
    this.signedIn = true;
  }

  signOut(): void {
    this.#end(false);
  }

  #end(byHub: boolean): void {
    if (credentials.token === null) return;
    credentials.token = null;
    if (!this.signedIn) return;
    house.stop();
    this.ended = byHub;
    this.signedIn = false;
  }
}

export const session = new Session();
