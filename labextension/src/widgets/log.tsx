/** A run's log of any length: only the pages in sight are fetched; search is done by the server. */

import * as React from 'react';
import type { LogPage } from '../types';
import { Button, type ViewProps } from './common';
import { VirtualList } from './virtual';

const PAGE = 200;
const ROW_HEIGHT = 18;
const PAGES_KEPT = 20;
const FOLLOW_MS = 700;

/** Lines that were fetched, by page; the least recently used pages go. */
export class Pages {
  private readonly pages = new Map<number, readonly string[]>();

  line(number: number): string | undefined {
    return this.pages.get(Math.floor(number / PAGE))?.[number % PAGE];
  }

  has(page: number, total: number): boolean {
    const lines = this.pages.get(page);
    return lines !== undefined && (lines.length === PAGE || page * PAGE + lines.length >= total);
  }

  put(page: number, lines: readonly string[]): void {
    this.pages.delete(page);
    this.pages.set(page, lines);
    for (const old of this.pages.keys()) {
      if (this.pages.size <= PAGES_KEPT) {
        break;
      }
      this.pages.delete(old);
    }
  }
}

export function LogView(props: ViewProps & { run: string; live: boolean }): React.ReactElement {
  const { run, live, model, trans } = props;
  const [pages] = React.useState(() => new Pages());
  const [total, setTotal] = React.useState(0);
  const [, draw] = React.useReducer((count: number) => count + 1, 0);
  const [follow, setFollow] = React.useState(true);
  const [target, setTarget] = React.useState<{ row: number; at: number } | null>(null);
  const [text, setText] = React.useState('');
  const [matches, setMatches] = React.useState<number[] | null>(null);
  const [place, setPlace] = React.useState(0);
  const seen = React.useRef({ first: 0, count: 40 });
  const fetching = React.useRef(new Set<number>());

  const load = React.useCallback(
    async (page: number): Promise<void> => {
      if (fetching.current.has(page)) {
        return;
      }
      fetching.current.add(page);
      try {
        const found = await model.client.get<LogPage>(['runs', run, 'log'], {
          first: page * PAGE,
          count: PAGE
        });
        pages.put(page, found.lines);
        setTotal(found.total);
        draw();
      } catch {
        // The next look tells; a log that went away is shown by its run.
      } finally {
        fetching.current.delete(page);
      }
    },
    [model, pages, run]
  );

  const want = React.useCallback(
    (first: number, count: number): void => {
      seen.current = { first, count };
      for (let page = Math.floor(first / PAGE); page * PAGE < first + count; page += 1) {
        if (!pages.has(page, total)) {
          void load(page);
        }
      }
    },
    [load, pages, total]
  );

  React.useEffect(() => {
    const look = async (): Promise<void> => {
      const end = await model.client
        .get<LogPage>(['runs', run, 'log'], { first: -1, count: 1 })
        .catch(() => null);
      if (end !== null) {
        setTotal(end.total);
      }
    };
    void look();
    const timer = live ? setInterval(() => void look(), FOLLOW_MS) : undefined;
    return () => clearInterval(timer);
  }, [live, model, run]);

  React.useEffect(() => {
    if (follow && total > 0 && matches === null) {
      setTarget({ row: total, at: Date.now() });
    }
    want(seen.current.first, seen.current.count);
  }, [follow, matches, total, want]);

  const search = async (): Promise<void> => {
    if (!text) {
      setMatches(null);
      return;
    }
    setFollow(false);
    const found = await model.lists.attempt(() =>
      model.client.get<{ matches: number[] }>(['runs', run, 'search'], { text })
    );
    setMatches(found?.matches ?? []);
    go(found?.matches ?? [], 0);
  };
  const go = (list: readonly number[], index: number): void => {
    const row = list[index];
    if (row !== undefined) {
      setPlace(index);
      setTarget({ row, at: Date.now() });
    }
  };
  const current = matches?.[place];
  return (
    <section aria-label={trans.__('Log')}>
      <form
        className="jp-Containerize-filter"
        role="search"
        onSubmit={event => {
          event.preventDefault();
          void search();
        }}
      >
        <label className="jp-Containerize-grow">
          <span>{trans.__('Search the log')}</span>
          <input type="search" value={text} onChange={event => setText(event.target.value)} />
        </label>
        <label>
          <input
            type="checkbox"
            checked={follow}
            onChange={event => {
              setFollow(event.target.checked);
              setMatches(null);
            }}
          />
          {trans.__('Follow')}
        </label>
      </form>
      {matches !== null ? (
        <div className="jp-Containerize-actions" role="status">
          {matches.length === 0
            ? trans.__('Not in the log.')
            : trans.__('Line %1, match %2 of %3', (current ?? 0) + 1, place + 1, matches.length)}
          {matches.length > 1 ? (
            <>
              <Button
                label={trans.__('Previous')}
                onClick={() => go(matches, (place + matches.length - 1) % matches.length)}
              />
              <Button label={trans.__('Next')} onClick={() => go(matches, (place + 1) % matches.length)} />
            </>
          ) : null}
        </div>
      ) : null}
      <VirtualList
        className="jp-Containerize-lines"
        rows={total}
        rowHeight={ROW_HEIGHT}
        height={320}
        label={trans._n('Log, %1 line', 'Log, %1 lines', total)}
        role="log"
        onWindow={want}
        scrollTo={target}
        render={row => (
          <pre className={row === current ? 'jp-mod-match' : ''}>{pages.line(row) ?? ' '}</pre>
        )}
      />
    </section>
  );
}
