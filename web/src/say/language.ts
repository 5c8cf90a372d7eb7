/// The language of this page: the one that was chosen, else the first of the browser's that we speak, else English.
import type { Messages } from "../messages/shape.gen.ts";

export const LANGUAGES = { en: "English", de: "Deutsch" } as const;
export type Language = keyof typeof LANGUAGES;

const KEY = "hubd.language";
const speaks = (tag: string | null): tag is Language => tag !== null && tag in LANGUAGES;

function choose(): Language {
  const chosen = localStorage.getItem(KEY);
  if (speaks(chosen)) return chosen;
  for (const tag of navigator.languages) {
    const short = tag.split("-")[0] ?? "";
    if (speaks(short)) return short;
  }
  return "en";
}

export const language: Language = choose();
/// For dates: the browser's own habits where it speaks that language (12 or 24 hours), else the language's.
export const locale: string = navigator.languages.find((tag) => tag.split("-")[0] === language) ?? language;

/// Every text of this page.
export let m: Messages;

/// Loads the texts. Nothing may be shown before.
export async function speak(): Promise<void> {
  const loaded =
    language === "de" ? await import("../messages/de.gen.ts") : await import("../messages/en.gen.ts");
  m = loaded.messages;
  document.documentElement.lang = language;
}

/// Begins again in another language.
export function change(to: Language): void {
  localStorage.setItem(KEY, to);
  location.reload();
}
