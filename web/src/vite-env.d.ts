/// <reference types="svelte" />
/// <reference types="vite/client" />
/// What TypeScript's DOM library does not know yet.
interface Window {
  readonly trustedTypes?: {
    createPolicy(
      name: string,
      rules: { createScriptURL(url: string): string },
    ): { createScriptURL(url: string): { toString(): string } };
  };
}
