/** What Python said, in the page's language: sentences arrive made, and are taken apart here (ADR 19). */

import type { TranslationBundle } from '@jupyterlab/translation';

interface Saying {
  /** The longest text between two holes: what a sentence must hold to be worth a closer look. */
  literal: string;
  /** How many characters are given: of two sayings that fit, the one with more is meant. */
  weight: number;
  pattern: RegExp;
  translated: string;
}

interface Said {
  weight: number;
  text: string;
}

const PLACES = Array.from({ length: 9 }, (_, index) => `%${index + 1}`);
const HOLE = /%\d+/;
/** A number of things: of texts that merely end so it is not said. */
const COUNT = /^%1 \w+$/;
/** Where one saying ends and the next begins. */
const ENDS = /(?<=[.!?]) |; |: |, |\n/g;
/** What lists of names are joined with. */
const MEMBERS = /(, | and )/;
const NUMBERS = /^\d+(?:(?:, | and )\d+)+$/;
const MOST_KEPT = 5000;

let known: readonly Saying[] = [];
let language: string | undefined = 'en';
const kept = new Map<string, string>();

/** Load the sayings in a language; in English there is nothing to load. A page has one language. */
export async function learn(trans: TranslationBundle, languageCode: string): Promise<void> {
  kept.clear();
  known = [];
  language = wellFormed(languageCode);
  if (/^en\b/.test(languageCode)) {
    return;
  }
  const { sayings } = await import('./sayings');
  const templates = sayings({ __: text => text, _p: (_, text) => text });
  const translations = sayings(unfilled(trans));
  known = templates
    .map((template, index) => sayingOf(template, translations[index] ?? template))
    .sort((a, b) => b.weight - a.weight);
}

/** The page's language, as `Intl` takes it; undefined is the browser's. */
export function pageLanguage(): string | undefined {
  return language;
}

/** Return a text of Python's in the page's language; what is not known stays as it is. */
export function said(text: string): string {
  if (known.length === 0 || !text) {
    return text;
  }
  let found = kept.get(text);
  if (found === undefined) {
    found = inside(text);
    if (kept.size > MOST_KEPT) {
      kept.clear();
    }
    kept.set(text, found);
  }
  return found;
}

/** Return a translator that leaves the places of values in what it gives. */
function unfilled(bundle: TranslationBundle): Pick<TranslationBundle, '__' | '_p'> {
  return {
    __: text => bundle.gettext(text, ...PLACES),
    _p: (context, text) => bundle.pgettext(context, text, ...PLACES)
  };
}

function wellFormed(languageCode: string): string | undefined {
  try {
    return Intl.getCanonicalLocales(languageCode)[0];
  } catch {
    return undefined; // language packs are named as their makers like
  }
}

function sayingOf(template: string, translated: string): Saying {
  const parts = template.split(HOLE);
  return {
    literal: parts.reduce((longest, part) => (part.length > longest.length ? part : longest), ''),
    weight: parts.join('').length,
    pattern: new RegExp(`^${parts.map(escaped).join(COUNT.test(template) ? '(\\d\\S*)' : '([^]*?)')}$`),
    translated
  };
}

/** Return what a value in a sentence is: a saying, several, a list of them, or a name. */
function inside(text: string): string {
  const trimmed = text.trim();
  const found = sequence(trimmed)?.text ?? list(trimmed);
  return found === trimmed ? text : text.replace(trimmed, () => found);
}

/** Return a text as one saying or as several, one after the other: whatever leaves the least open. */
function sequence(text: string): Said | null {
  let best = one(text);
  for (const end of text.matchAll(ENDS)) {
    const first = one(text.slice(0, end.index));
    const rest = first && sequence(text.slice(end.index + end[0].length));
    if (first && rest && first.weight + rest.weight > (best?.weight ?? 0)) {
      best = { weight: first.weight + rest.weight, text: first.text + end[0] + rest.text };
    }
  }
  return best;
}

function one(text: string): Said | null {
  for (const saying of known) {
    const values = text.includes(saying.literal) ? saying.pattern.exec(text) : null;
    if (values) {
      const { weight, translated } = saying;
      const filled = translated.replace(/%(\d+)/g, (_, place) => inside(values[Number(place)] ?? ''));
      return { weight, text: filled };
    }
  }
  return null;
}

function list(text: string): string {
  if (NUMBERS.test(text)) {
    return new Intl.ListFormat(language).format(text.split(/, | and /));
  }
  const members = text.split(MEMBERS);
  return members.length > 1 ? members.map(member => one(member)?.text ?? member).join('') : text;
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
