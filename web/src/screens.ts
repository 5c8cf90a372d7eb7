/// The screens, in the order of the navigation. One without an icon is reached from another.
import type { Component } from "svelte";
import { m } from "./say/language.ts";
import Activity from "./screens/Activity.svelte";
import Door from "./screens/Door.svelte";
import Emergency from "./screens/Emergency.svelte";
import Home from "./screens/Home.svelte";
import People from "./screens/People.svelte";
import Radios from "./screens/Radios.svelte";
import System from "./screens/System.svelte";
import type { Right } from "./session.svelte.ts";
import type { IconName } from "./ui/icons.ts";

export interface Screen {
  path: string;
  name: () => string;
  component: Component<{ id: string | null }>;
  icon?: IconName;
  /// What a person must be allowed to see it; nothing for everybody who is in.
  right?: Right;
  /// Which entry of the navigation is marked.
  tab: string;
}

export const SCREENS: Screen[] = [
  { path: "home", name: () => m.nav_home(), component: Home, icon: "home", tab: "home" },
  { path: "door", name: () => m.nav_door(), component: Door, tab: "home" },
  {
    path: "people",
    name: () => m.nav_people(),
    component: People,
    icon: "people",
    right: "history",
    tab: "people",
  },
  {
    path: "activity",
    name: () => m.nav_activity(),
    component: Activity,
    icon: "list",
    right: "history",
    tab: "activity",
  },
  {
    path: "emergency",
    name: () => m.nav_emergency(),
    component: Emergency,
    icon: "siren",
    right: "history",
    tab: "emergency",
  },
  {
    path: "radios",
    name: () => m.nav_radios(),
    component: Radios,
    icon: "radio",
    right: "manage",
    tab: "radios",
  },
  { path: "system", name: () => m.nav_system(), component: System, icon: "gear", tab: "system" },
];

const HOME = SCREENS[0] as Screen;

export function screen(path: string): Screen {
  return SCREENS.find((one) => one.path === path) ?? HOME;
}
