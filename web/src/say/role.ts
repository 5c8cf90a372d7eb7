/// What people are to the household, in words.
import type { Role } from "../api/client.ts";
import { m } from "./language.ts";

export const ROLES: Role[] = ["resident", "guest", "responder", "owner"];

export function role(kind: Role): string {
  switch (kind) {
    case "owner":
      return m.role_owner();
    case "resident":
      return m.role_resident();
    case "guest":
      return m.role_guest();
    case "responder":
      return m.role_responder();
  }
}
