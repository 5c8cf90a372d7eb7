/// Detectors in words.
import type { Alarm } from "../api/client.ts";
import { m } from "./language.ts";

export type Hazard = Alarm["hazards"][number];

export function hazard(what: Hazard): string {
  switch (what) {
    case "smoke":
      return m.hazard_smoke();
    case "co":
      return m.hazard_co();
    case "heat":
      return m.hazard_heat();
  }
}
