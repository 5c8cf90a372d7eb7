/// Passkeys: the browser's half of making one and of using one. The hub asks, the person's device answers.
import { type PasskeyRequest, answer, api } from "./api/client.ts";

/// Whether passkeys work on this page: they belong to a name, and to a connection that nobody listens to.
export const able =
  window.isSecureContext && "PublicKeyCredential" in window && !/^[\d.]+$|^\[/.test(window.location.hostname);

function bytes(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (char) => char.charCodeAt(0));
}

function text(buffer: ArrayBuffer): string {
  const binary = String.fromCharCode(...new Uint8Array(buffer));
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

const known = (id: string): PublicKeyCredentialDescriptor => ({ type: "public-key", id: bytes(id) });

/// What a browser gives when the person did not go through with it is the same as when the time was over.
function given(credential: Credential | null): PublicKeyCredential {
  if (credential === null) throw new DOMException("", "NotAllowedError");
  return credential as PublicKeyCredential;
}

/// Makes a passkey of this name for one's own account; new recovery codes, if there are any.
export async function make(name: string): Promise<string[]> {
  const asked = await answer(api.POST("/api/v1/account/passkeys"));
  const made = given(
    await navigator.credentials.create({
      publicKey: {
        challenge: bytes(asked.challenge),
        rp: { id: asked.rp_id, name: asked.rp_name },
        user: { id: bytes(asked.user_id), name: asked.user_name, displayName: asked.user_name },
        pubKeyCredParams: asked.algorithms.map((alg) => ({ type: "public-key", alg })),
        excludeCredentials: asked.exclude.map(known),
        authenticatorSelection: { residentKey: "preferred", userVerification: "required" },
        attestation: "none",
        timeout: asked.timeout_ms,
      },
    }),
  );
  const response = made.response as AuthenticatorAttestationResponse;
  const body = {
    name,
    client_data: text(response.clientDataJSON),
    attestation: text(response.attestationObject),
  };
  return (await answer(api.PUT("/api/v1/account/passkeys", { body }))).recovery_codes;
}

/// Has a passkey answer what the hub asks for.
export async function use(asked: PasskeyRequest) {
  const used = given(
    await navigator.credentials.get({
      publicKey: {
        challenge: bytes(asked.challenge),
        rpId: asked.rp_id,
        allowCredentials: asked.allow.map(known),
        userVerification: "required",
        timeout: asked.timeout_ms,
      },
    }),
  );
  const response = used.response as AuthenticatorAssertionResponse;
  const user = response.userHandle;
  return {
    credential: text(used.rawId),
    client_data: text(response.clientDataJSON),
    authenticator_data: text(response.authenticatorData),
    signature: text(response.signature),
    ...(user === null || user.byteLength === 0 ? {} : { user: text(user) }),
  };
}
