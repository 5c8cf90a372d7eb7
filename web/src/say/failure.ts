/// Why something did not work, in a sentence.
import { Failure } from "../api/client.ts";
import { m } from "./language.ts";

/// What a person did, or can do nothing about but wait, in their language.
const SAID: Record<string, (failure: Failure) => string> = {
  wrong_password: () => m.wrong_password(),
  wrong_code: () => m.wrong_code(),
  wrong_passkey: () => m.wrong_passkey(),
  no_passkey_here: () => m.no_passkey_here(),
  passkeys_need_a_name: () => m.passkeys_need_name(),
  passkey_known: () => m.passkey_known(),
  passkey_too_late: () => m.passkey_not_done(),
  bad_passkey: () => m.passkey_not_done(),
  too_many_attempts: ({ wait }) => m.too_many_attempts({ count: wait }),
  too_many_failures: ({ wait }) => m.too_many_attempts({ count: wait }),
  confirmation_needed: () => m.not_confirmed(),
  second_factor_needed: () => m.factor_needed(),
  last_owner: () => m.last_owner(),
  name_taken: () => m.name_taken(),
  no_second_factor: () => m.no_factor(),
  busy: () => m.failed_busy(),
  no_answer: () => m.failed_busy(),
  stopping: () => m.failed_busy(),
  store_failing: () => m.failed_store(),
  backup_under_way: () => m.backup_busy(),
  policy_moved: () => m.policy_moved(),
  recovery_key_configured: () => m.recovery_is_configured(),
};

export function why(error: unknown): string {
  // What browsers say of a passkey: one is there already, or the person did not go through with it.
  if (error instanceof DOMException)
    return error.name === "InvalidStateError" ? m.passkey_known() : m.passkey_not_done();
  if (!(error instanceof Failure)) return m.failed_unknown();
  if (error.code === "unreachable") return m.failed_unreachable();
  const said = SAID[error.code];
  if (said !== undefined) return said(error);
  if (error.status === 401) return m.failed_signed_out();
  if (error.status === 403) return m.failed_not_allowed();
  return error.message;
}
