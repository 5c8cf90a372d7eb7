/// Why something did not work, in a sentence.
import { Failure } from "../api/client.ts";
import { m } from "./language.ts";

export function why(error: unknown): string {
  if (!(error instanceof Failure)) return m.failed_unknown();
  if (error.code === "unreachable") return m.failed_unreachable();
  if (error.status === 401) return m.failed_signed_out();
  if (error.status === 403) return m.failed_not_allowed();
  return error.message;
}
