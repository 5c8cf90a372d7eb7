/// Why something did not work, in a sentence.
import { Failure } from "../api/client.ts";
import { m } from "./language.ts";

/// What a person did, in their language.
const SAID: Record<string, () => string> = {
  wrong_password: () => m.wrong_password(),
  wrong_code: () => m.wrong_code(),
  wrong_passkey: () => m.wrong_passkey(),
  no_passkey_here: () => m.no_passkey_here(),
  passkeys_need_a_name: () => m.passkeys_need_name(),
  passkey_known: () => m.passkey_known(),
  passkey_too_late: () => m.passkey_not_done(),
};

export function why(error: unknown): string {
  // What browsers say of a passkey: one is there already, or the person did not go through with it.
  if (error instanceof DOMException)
    return error.name === "InvalidStateError" ? m.passkey_known() : m.passkey_not_done();
  if (!(error instanceof Failure)) return m.failed_unknown();
  if (error.code === "unreachable") return m.failed_unreachable();
  const said = SAID[error.code];
  if (said !== undefined) return said();
  if (error.status === 401) return m.failed_signed_out();
  if (error.status === 403) return m.failed_not_allowed();
  return error.message;
}
