/// Moving a bolt, from the wish to what the lock said. What is shown meanwhile is the hub's word, never a hope.
import { type Command, answer, api } from "./api/client.ts";
import { house } from "./live/house.svelte.ts";
import { why } from "./say/failure.ts";
import { m } from "./say/language.ts";

export type Op = Command["op"];

/// Longer than the hub keeps a request.
const WAIT_S = 25;

export class Acts {
  /// Whether the request is on its way to the hub.
  sending = $state(false);
  /// Why the last one did not end as asked.
  fault = $state<string | null>(null);

  async move(lock: string, op: Op): Promise<void> {
    this.sending = true;
    this.fault = null;
    try {
      // The key makes a repeat of this very press harmless.
      const key = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
        byte.toString(16).padStart(2, "0"),
      );
      const command = await answer(
        api.POST("/api/v1/locks/{id}/commands", {
          params: { path: { id: lock }, header: { "Idempotency-Key": key.join("") } },
          body: { op },
        }),
      );
      this.sending = false;
      await house.lock(lock);
      const path = { id: command.id };
      const ended = await answer(
        api.GET("/api/v1/commands/{id}", { params: { path, query: { wait: WAIT_S } } }),
      );
      await house.lock(lock);
      if (ended.status !== "done") this.fault = m.act_failed({ reason: ended.reason ?? ended.status });
    } catch (error) {
      this.fault = why(error);
      void house.lock(lock);
    } finally {
      this.sending = false;
    }
  }
}
