/// Where we are: the part of the address after `#`. The hub serves one page, and nothing of this reaches it.

export interface Place {
  screen: string;
  /// What follows the screen's name, such as a door's id.
  id: string | null;
}

function read(): Place {
  const [screen = "", id] = location.hash.replace(/^#\/?/, "").split("/");
  return {
    screen: screen === "" ? "home" : screen,
    id: id === undefined || id === "" ? null : decodeURIComponent(id),
  };
}

class Router {
  place = $state.raw<Place>(read());

  constructor() {
    window.addEventListener("hashchange", () => {
      this.place = read();
    });
  }
}

export const router = new Router();

export function to(screen: string, id?: string): string {
  const home = screen === "home" ? "" : screen;
  return id === undefined ? `#/${home}` : `#/${home}/${encodeURIComponent(id)}`;
}
