import { Graph, layout } from '@dagrejs/dagre';
import type { EdgeLabel, GraphLabel, NodeLabel, Point } from '@dagrejs/dagre';
import type { GraphData, GraphEdge, GraphNode } from '../../dsl/graph-data.ts';
import { COMMAND_COLORS, EDGE_COLORS } from './dot.ts';
import { edgeLines, notesOf, shorten } from './labels.ts';

/**
 * The graph as a picture of its own: tasks are boxes (a join has a bar on top, a start task a thick border), commands are pills,
 * conditional edges are dashed, and clauses have colours. The full text of what is shortened is in the tooltips.
 */
export function toSvg(graph: GraphData): string {
  const picture = arrange(graph);
  const { width = 0, height = 0 } = picture.graph() ?? {};
  const size = { width: Math.ceil(width) + 2 * MARGIN, height: Math.ceil(height) + 2 * MARGIN };
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${size.width}" height="${size.height}" viewBox="${-MARGIN} ${-MARGIN} ${size.width} ${size.height}" font-family="Helvetica, Arial, sans-serif" font-size="${FONT_SIZE}">`,
    `<title>${escape(graph.workflow)}</title>`,
    `<defs>${Object.entries(EDGE_COLORS)
      .map(([on, color]) => arrowHead(on, color))
      .join('')}</defs>`,
    `<rect x="${-MARGIN}" y="${-MARGIN}" width="${size.width}" height="${size.height}" fill="#ffffff"/>`,
    ...graph.edges.map((edge, i) => drawEdge(edge, picture.edge({ v: edge.from, w: edge.to, name: String(i) }))),
    ...graph.nodes.map((node) => drawNode(node, picture.node(node.id))),
    '</svg>',
    '',
  ].join('\n');
}

type Layout = Graph<GraphLabel, NodeLabel, EdgeLabel>;

function arrange(graph: GraphData): Layout {
  const picture: Layout = new Graph({ multigraph: true });
  picture.setGraph({ rankdir: 'TB', nodesep: 30, ranksep: 36, edgesep: 14 });
  for (const node of graph.nodes) picture.setNode(node.id, boxOf(linesOf(node), node.kind === 'command' ? 28 : 24));
  for (const [i, edge] of graph.edges.entries()) {
    const label = edgeLines(edge);
    const box = label.length === 0 ? {} : { ...boxOf(label, 8, SMALL), labelpos: 'c' as const };
    picture.setEdge(edge.from, edge.to, box, String(i));
  }
  layout(picture);
  return picture;
}

function linesOf(node: GraphNode): readonly string[] {
  if (node.kind === 'task') return [shorten(node.name, 40), ...notesOf(node)];
  return [node.command, ...(node.message === null ? [] : [shorten(node.message)])];
}

function boxOf(lines: readonly string[], padding: number, fontSize = FONT_SIZE): { width: number; height: number } {
  const longest = Math.max(...lines.map((line) => widthOf(line, fontSize)));
  return {
    width: Math.ceil(longest) + padding,
    height: Math.ceil(lines.length * fontSize * LINE_HEIGHT) + padding / 2,
  };
}

/** A guess that is seldom too small: without a font there is no measure. */
function widthOf(text: string, fontSize: number): number {
  let width = 0;
  for (const character of text)
    width += /[\u1100-\uffdc\u{1f000}-\u{3ffff}]/u.test(character) ? 1.05 : /[A-Zmw@%]/.test(character) ? 0.76 : 0.56;
  return width * fontSize;
}

function drawNode(node: GraphNode, box: NodeLabel | undefined): string {
  const { x = 0, y = 0, width = 0, height = 0 } = box ?? {};
  const left = x - width / 2;
  const top = y - height / 2;
  const lines = linesOf(node);
  if (node.kind === 'command') {
    const tip = node.message === null ? node.command : `${node.command}: ${node.message}`;
    const shape = `<rect x="${n(left)}" y="${n(top)}" width="${n(width)}" height="${n(height)}" rx="${n(height / 2)}" fill="${COMMAND_COLORS[node.command]}" stroke="#5f6368"/>`;
    return `<g><title>${escape(tip)}</title>${shape}${texts(lines, x, y, FONT_SIZE, '#202124')}</g>`;
  }
  const border = node.isReachable
    ? `stroke="#3c4043" stroke-width="${node.isStart ? 2.5 : 1}"`
    : 'stroke="#9aa0a6" stroke-dasharray="4 3"';
  const shape = `<rect x="${n(left)}" y="${n(top)}" width="${n(width)}" height="${n(height)}" rx="5" fill="#f8f9fa" ${border}/>`;
  const bar =
    node.join === null ? '' : `<rect x="${n(left)}" y="${n(top - 3)}" width="${n(width)}" height="6" fill="#3c4043"/>`;
  const tip = `${node.name}: ${node.run.type} ${node.run.name}`;
  return `<g><title>${escape(tip)}</title>${shape}${bar}${texts(lines, x, y, FONT_SIZE, node.isReachable ? '#202124' : '#9aa0a6')}</g>`;
}

function drawEdge(edge: GraphEdge, drawn: EdgeLabel | undefined): string {
  const color = EDGE_COLORS[edge.on];
  const dashes = edge.condition === null ? '' : ' stroke-dasharray="6 4"';
  const line = `<path d="${curve(drawn?.points ?? [])}" fill="none" stroke="${color}" stroke-width="1.4"${dashes} marker-end="url(#${edge.on})"/>`;
  const lines = edgeLines(edge);
  if (lines.length === 0 || drawn?.x === undefined || drawn.y === undefined)
    return `<g><title>${edge.on}</title>${line}</g>`;
  const { width, height } = boxOf(lines, 4, SMALL);
  const paper = `<rect x="${n(drawn.x - width / 2)}" y="${n(drawn.y - height / 2)}" width="${width}" height="${height}" fill="#ffffff" fill-opacity="0.9"/>`;
  const tip = edge.condition === null ? edge.on : `${edge.on}: ${edge.condition}`;
  return `<g><title>${escape(tip)}</title>${line}${paper}${texts(lines, drawn.x, drawn.y, SMALL, color, false)}</g>`;
}

/** Through the middles between the points, so that bends are round. */
function curve(points: readonly Point[]): string {
  const [first, ...rest] = points;
  if (first === undefined) return '';
  const steps = [`M${n(first.x)} ${n(first.y)}`];
  for (const [i, point] of rest.entries()) {
    const next = rest[i + 1];
    if (next === undefined) steps.push(`L${n(point.x)} ${n(point.y)}`);
    else steps.push(`Q${n(point.x)} ${n(point.y)} ${n((point.x + next.x) / 2)} ${n((point.y + next.y) / 2)}`);
  }
  return steps.join(' ');
}

function texts(lines: readonly string[], x: number, y: number, size: number, color: string, hasTitle = true): string {
  const height = size * LINE_HEIGHT;
  const first = y - ((lines.length - 1) * height) / 2 + size * 0.36;
  return lines
    .map((line, i) => {
      const weight = i === 0 && hasTitle ? ' font-weight="bold"' : '';
      const fill = i === 0 || !hasTitle ? color : '#5f6368';
      return `<text x="${n(x)}" y="${n(first + i * height)}" font-size="${size}" text-anchor="middle" fill="${fill}"${weight}>${escape(line)}</text>`;
    })
    .join('');
}

function arrowHead(on: string, color: string): string {
  return `<marker id="${on}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="${color}"/></marker>`;
}

/** Text of XML; characters that XML has no place for are left out. */
function escape(text: string): string {
  return text
    .replaceAll(
      /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g,
      '',
    )
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;');
}

function n(value: number): string {
  return String(Math.round(value * 10) / 10);
}

const MARGIN = 16;
const FONT_SIZE = 13;
const SMALL = 11;
const LINE_HEIGHT = 1.3;
