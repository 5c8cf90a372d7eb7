/// The client of the hub's API. Its types come from the committed OpenAPI document.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.gen.d.ts";

type Schemas = components["schemas"];
export type Lock = Schemas["Lock"];
export type Alarm = Schemas["Alarm"];
export type Entry = Schemas["Event"];
export type Health = Schemas["Health"];
export type Radio = Schemas["Radio"];
export type Inclusion = Schemas["Inclusion"];
export type Command = Schemas["Command"];
export type Token = Schemas["Token"];
export type RecoveryKey = Schemas["RecoveryKey"];
export type MadeRecoveryKey = Schemas["MadeRecoveryKey"];
export type Via = Schemas["Via"];
export type Problem = Schemas["Problem"];
export type SessionInfo = Schemas["Session"];
export type Account = Schemas["Account"];
export type Passkey = Schemas["Passkey"];
export type PasskeyRequest = Schemas["PasskeyRequest"];
export type Confirmation = Schemas["Confirmation"];
export type OpenSession = Schemas["OpenSession"];
export type Person = Schemas["Person"];
export type Credential = Schemas["Credential"];
export type Place = Schemas["Place"];
export type Schedule = Schemas["Schedule"];
export type WeeklyWindow = Schemas["WeeklyWindow"];
export type Codes = Schemas["Codes"];
export type Slot = Schemas["Slot"];
export type Safety = Schemas["LifeSafetyState"];
export type Policy = Schemas["LifeSafetyPolicy"];
export type DoorRule = Schemas["DoorRule"];
export type Incident = Schemas["Incident"];
export type Escalation = Schemas["Escalation"];
export type Drill = Schemas["Drill"];
export type Finding = Schemas["Finding"];
export type BackupWork = Schemas["BackupWork"];
export type Why = Schemas["Why"];
export type BackupNote = Schemas["BackupNote"];
export type Role = Account["role"];

/// Why a request did not do what was asked.
export class Failure extends Error {
  override readonly name = "Failure";
  constructor(
    /// Stable, for programs; `unreachable` when the hub did not answer at all.
    readonly code: string,
    /// One sentence, for people.
    message: string,
    /// The HTTP status; 0 when there was none.
    readonly status: number,
    /// After how many seconds it may be over; 0 when the hub does not say.
    readonly wait = 0,
  ) {
    super(message);
  }
}

/// Where the API is, below wherever this page is.
export const base = new URL(".", location.href).href;

/// What the session does when the hub asks for it.
export const guard = {
  /// The hub no longer knows this session.
  ended: (): void => {},
  /// The hub wants to know again that it is the same person; whether they proved it.
  confirm: (): Promise<boolean> => Promise.resolve(false),
};

/// On these paths a refusal is an answer to what was typed, not the end of a session; elsewhere its code says so.
const WAY_IN = /\/api\/v1\/(session|setup|invitation)(\/|$|\?)/;

/// A request; the browser adds what proves who we are.
export async function send(input: string | URL | Request, init?: RequestInit): Promise<Response> {
  const request = new Request(input, init);
  const again = request.clone();
  const response = await attempt(request);
  if (response.status !== 401 && response.status !== 403) return response;
  const { code } = (await response
    .clone()
    .json()
    .catch(() => ({}))) as { code?: string };
  if (response.status === 401 && !WAY_IN.test(request.url) && !code?.startsWith("wrong_")) guard.ended();
  if (code !== "confirmation_needed" || !(await guard.confirm())) return response;
  return attempt(again);
}

async function attempt(request: Request): Promise<Response> {
  try {
    return await fetch(request);
  } catch (error) {
    if (request.signal.aborted) throw error;
    throw new Failure("unreachable", "", 0);
  }
}

export const api = createClient<paths>({ baseUrl: base, fetch: send });

/// What a request answered, or its failure thrown.
export async function answer<T>(
  asked: Promise<{ data?: T; error?: unknown; response: Response }>,
): Promise<T> {
  const { data, error, response } = await asked;
  if (!response.ok) throw failure(error, response);
  return data as T;
}

/// Why an answer that was asked for without the typed client is none.
export async function failed(response: Response): Promise<Failure> {
  return failure(await response.json().catch(() => null), response);
}

function failure(error: unknown, response: Response): Failure {
  const problem = (typeof error === "object" && error !== null ? error : {}) as Partial<Problem>;
  const fallback = `${response.status} ${response.statusText}`;
  const wait = Number(response.headers.get("Retry-After") ?? 0);
  return new Failure(problem.code ?? "unknown", problem.detail ?? fallback, response.status, wait);
}
