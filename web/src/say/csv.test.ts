import { expect, it } from "vitest";
import { csv } from "./csv.ts";

it("quotes what has commas, quotes or line ends, and disarms formulas", () => {
  expect(csv([1, "plain", 'a "b", c', "two\nlines", "=1+1", -5])).toBe(
    `1,plain,"a ""b"", c","two\nlines",'=1+1,-5\r\n`,
  );
});
