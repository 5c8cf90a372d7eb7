// Turns messages/LANGUAGE.json into typed functions, so that a message that is missing in one language, or called
// without what it needs, is an error of the build and not a hole on a screen.
//
// A message is a text with {places}, or an object of plural forms ("one", "other", ...) chosen by its place {count}.

import { mkdirSync, readFileSync, readdirSync, writeFileSync, existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(dirname(fileURLToPath(import.meta.url)));
const BASE = "en";

const places = (text) => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
const forms = (message) => (typeof message === "string" ? [message] : Object.values(message));
const needs = (message) =>
  [...new Set([...(typeof message === "string" ? [] : ["count"]), ...forms(message).flatMap(places)])].sort();

/** A text as the body of a template literal. */
const template = (text) =>
  "`" + text.replace(/[`\\$]/g, "\\$&").replace(/\{(\w+)\}/g, (_, name) => "${a." + name + "}") + "`";

function expression(message) {
  if (typeof message === "string") {
    return needs(message).length === 0 ? JSON.stringify(message) : template(message);
  }
  const arms = Object.entries(message)
    .filter(([form]) => form !== "other")
    .map(([form, text]) => `f === ${JSON.stringify(form)} ? ${template(text)} : `);
  return `((f) => ${arms.join("")}${template(message.other)})(p.select(a.count))`;
}

function write(file, text) {
  if (!existsSync(file) || readFileSync(file, "utf8") !== text) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}

export function compile() {
  const languages = readdirSync(join(here, "messages")).map((file) => file.replace(/\.json$/, ""));
  const all = Object.fromEntries(
    languages.map((language) => [
      language,
      JSON.parse(readFileSync(join(here, "messages", `${language}.json`), "utf8")),
    ]),
  );
  const faults = [];
  for (const [language, messages] of Object.entries(all)) {
    for (const [key, message] of Object.entries(messages)) {
      const base = all[BASE][key];
      if (base === undefined) faults.push(`${language}.json: ${key} is not in ${BASE}.json`);
      else if (needs(base).join() !== needs(message).join())
        faults.push(`${language}.json: ${key} needs {${needs(message)}}, ${BASE}.json {${needs(base)}}`);
      if (typeof message !== "string" && !message.other)
        faults.push(`${language}.json: ${key} has no form "other"`);
    }
    for (const key of Object.keys(all[BASE])) {
      if (messages[key] === undefined) faults.push(`${language}.json: ${key} is missing`);
    }
  }
  if (faults.length > 0) throw new Error(`messages:\n  ${faults.join("\n  ")}`);

  const folder = join(here, "src/messages");
  const head = "// Made by build/messages.mjs from messages/*.json.\n";
  const types = Object.entries(all[BASE]).map(([key, message]) => {
    const names = needs(message);
    const fields = names.map((name) => `${name}: ${name === "count" ? "number" : "string | number"}`);
    return `  ${key}(${names.length > 0 ? `a: { ${fields.join("; ")} }` : ""}): string;`;
  });
  write(join(folder, "shape.gen.ts"), `${head}export interface Messages {\n${types.join("\n")}\n}\n`);
  for (const [language, messages] of Object.entries(all)) {
    const plural = Object.values(messages).some((message) => typeof message !== "string");
    const lines = Object.entries(messages).map(
      ([key, message]) => `  ${key}: (${needs(message).length > 0 ? "a" : ""}) => ${expression(message)},`,
    );
    write(
      join(folder, `${language}.gen.ts`),
      `${head}import type { Messages } from "./shape.gen.ts";\n` +
        (plural ? `const p = new Intl.PluralRules(${JSON.stringify(language)});\n` : "") +
        `export const messages: Messages = {\n${lines.join("\n")}\n};\n`,
    );
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) compile();
