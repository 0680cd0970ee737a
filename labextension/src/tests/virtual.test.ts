import { describe, expect, it } from 'vitest';
import { MOST_PIXELS, scrollFor, windowAt } from '../widgets/virtual';

describe('the rows in sight', () => {
  it('are few however many there are', () => {
    for (const rows of [0, 1, 10, 500, 1_000_000]) {
      const { first, count } = windowAt(0, 600, 18, rows);
      expect(first).toBe(0);
      expect(count).toBeLessThanOrEqual(Math.min(rows, 150));
    }
    expect(windowAt(0, 100_000, 18, 1_000_000).count).toBeLessThanOrEqual(150);
  });

  it('reach the last row of a million at the end of the scroll bar', () => {
    const rows = 1_000_000;
    const { first, count } = windowAt(MOST_PIXELS - 320, 320, 18, rows);
    expect(first + count).toBe(rows);
  });

  it('cover the view at every position', () => {
    for (const rows of [500, 1_000_000]) {
      const height = Math.min(rows * 18, MOST_PIXELS);
      for (let share = 0; share <= 1; share += 0.01) {
        const at = share * (height - 320);
        const { first, count, top } = windowAt(at, 320, 18, rows);
        expect(top).toBeLessThanOrEqual(at + 1);
        expect(top + count * 18).toBeGreaterThanOrEqual(Math.min(at + 320, height) - 19);
        expect(first).toBeGreaterThanOrEqual(0);
      }
    }
  });

  it('show the row that was asked for', () => {
    for (const rows of [500, 1_000_000]) {
      for (const row of [0, 3, 250, rows - 1]) {
        const { first, count } = windowAt(scrollFor(row, 320, 18, rows), 320, 18, rows);
        expect(row).toBeGreaterThanOrEqual(first);
        expect(row).toBeLessThan(first + count);
      }
    }
  });
});
