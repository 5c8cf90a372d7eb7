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
export type Via = Schemas["Via"];
export type Problem = Schemas["Problem"];

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
  ) {
    super(message);
  }
}

/// Where the API is, below wherever this page is.
export const base = new URL(".", location.href).href;

const TOKEN = "hubd.token";
let signedOut: () => void = () => {};

/// The token that requests carry.
export const credentials = {
  get token(): string | null {
    return localStorage.getItem(TOKEN);
  },
  set token(token: string | null) {
    if (token === null) localStorage.removeItem(TOKEN);
    else localStorage.setItem(TOKEN, token);
  },
  /// Called when the hub no longer takes it.
  onSignedOut(listener: () => void): void {
    signedOut = listener;
  },
};

/// A request with whatever proves who we are.
export async function send(input: string | URL | Request, init?: RequestInit): Promise<Response> {
  const request = new Request(input, init);
  const token = credentials.token;
  if (token !== null) request.headers.set("Authorization", `Bearer ${token}`);
  let response: Response;
  try {
    response = await fetch(request);
  } catch (error) {
    if (request.signal.aborted) throw error;
    throw new Failure("unreachable", "", 0);
  }
  if (response.status === 401) signedOut();
  return response;
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

export function failure(error: unknown, response: Response): Failure {
  const problem = (typeof error === "object" && error !== null ? error : {}) as Partial<Problem>;
  return new Failure(
    problem.code ?? "unknown",
    problem.detail ?? `${response.status} ${response.statusText}`,
    response.status,
  );
}
