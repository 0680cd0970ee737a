/** Two texts side by side, line by line. */

export interface SideBySide {
  left: string;
  right: string;
  same: boolean;
}

const MOST_LINES = 400;
const CONTEXT = 2;

/** Return the lines of both texts, equal ones opposite each other; long equal stretches cut. */
export function differences(left: string, right: string): SideBySide[] {
  if (!left && !right) {
    return [];
  }
  const before = left.split('\n').slice(0, MOST_LINES);
  const after = right.split('\n').slice(0, MOST_LINES);
  return shortened(aligned(before, after));
}

function aligned(before: string[], after: string[]): SideBySide[] {
  const lengths = commonLengths(before, after);
  const rows: SideBySide[] = [];
  let i = 0;
  let j = 0;
  while (i < before.length || j < after.length) {
    const [one, other] = [before[i], after[j]];
    if (one !== undefined && one === other) {
      rows.push({ left: one, right: other, same: true });
      i += 1;
      j += 1;
      continue;
    }
    const skipLeft = lengths[i + 1]?.[j] ?? -1;
    const skipRight = lengths[i]?.[j + 1] ?? -1;
    const skipBoth = lengths[i + 1]?.[j + 1] ?? -1;
    if (one !== undefined && other !== undefined && skipBoth >= Math.max(skipLeft, skipRight)) {
      rows.push({ left: one, right: other, same: false });
      i += 1;
      j += 1;
    } else if (other === undefined || (one !== undefined && skipLeft >= skipRight)) {
      rows.push({ left: one ?? '', right: '', same: false });
      i += 1;
    } else {
      rows.push({ left: '', right: other, same: false });
      j += 1;
    }
  }
  return rows;
}

/** Lengths of the longest common subsequences of all pairs of endings. */
function commonLengths(before: string[], after: string[]): number[][] {
  const table = Array.from({ length: before.length + 1 }, () =>
    new Array<number>(after.length + 1).fill(0)
  );
  for (let i = before.length - 1; i >= 0; i -= 1) {
    for (let j = after.length - 1; j >= 0; j -= 1) {
      const row = table[i] as number[];
      row[j] =
        before[i] === after[j]
          ? 1 + (table[i + 1]?.[j + 1] ?? 0)
          : Math.max(table[i + 1]?.[j] ?? 0, row[j + 1] ?? 0);
    }
  }
  return table;
}

function shortened(rows: SideBySide[]): SideBySide[] {
  const near = rows.map((_, index) =>
    rows.slice(Math.max(0, index - CONTEXT), index + CONTEXT + 1).some(row => !row.same)
  );
  const found: SideBySide[] = [];
  rows.forEach((row, index) => {
    if (near[index]) {
      found.push(row);
    } else if (index === 0 || near[index - 1]) {
      found.push({ left: '…', right: '…', same: true });
    }
  });
  return found;
}
