import type {
  BlockStatement,
  Body,
  CallBlockStatement,
  Expression,
  ForStatement,
  IfStatement,
  MacroStatement,
  SetBlockStatement,
  Signature,
  Statement,
  Target,
  WithStatement,
} from './ast.ts';
import { compileExpression, type Evaluator } from './compile-expression.ts';
import type { Environment } from './environment.ts';
import { assertionError, JinjaError, typeError, valueError } from './errors.ts';
import { LoopContext } from './loop.ts';
import { Macro, type MacroShape, macroShape } from './macro.ts';
import { type Callable, JinjaObject, Markup, Namespace, NativeFunction, Undefined } from './objects.ts';
import { escaped } from './operators.ts';
import { canIterate, iterate, toText, truth, typeName } from './python.ts';
import { ENCLOSED, type Scope } from './scope.ts';
import { mentions } from './walk.ts';

/** Renders into the output. */
type Renderer = (scope: Scope, output: Output) => void;

/** A function that renders the template, given the scope of the whole. @throws TemplateAssertionError (JinjaError) */
export function compileTemplate(body: Body, environment: Environment): (scope: Scope) => string {
  const compiler = new TemplateCompiler(environment);
  const render = compiler.body(body, false);
  const needsSelf = mentions(body, 'self');
  return (scope) => {
    if (needsSelf) scope.set('self', new SelfReference(compiler.blocks, scope));
    return captured(render, scope);
  };
}

class Output {
  private readonly parts: string[] = [];
  private size = 0;

  write(text: string, scope: Scope): void {
    this.size += text.length;
    scope.runtime.checkSize(this.size);
    this.parts.push(text);
  }

  text(): string {
    return this.parts.join('');
  }
}

class TemplateCompiler {
  readonly blocks = new Map<string, Renderer>();
  private readonly environment: Environment;

  constructor(environment: Environment) {
    this.environment = environment;
  }

  body(body: Body, isSoft: boolean): Renderer {
    const renderers = body.map((statement) => this.statement(statement, isSoft));
    return (scope, output) => {
      for (const render of renderers) render(scope, output);
    };
  }

  private statement(statement: Statement, isSoft: boolean): Renderer {
    switch (statement.kind) {
      case 'text':
        return (scope, output) => output.write(statement.text, scope);
      case 'print':
        return printing(this.expression(statement.value, isSoft));
      case 'for':
        return this.for(statement, isSoft);
      case 'if':
        return this.if(statement);
      case 'set':
        return this.set(statement.target, this.expression(statement.value, isSoft));
      case 'set-block':
        return this.setBlock(statement);
      case 'with':
        return this.with(statement, isSoft);
      case 'macro':
        return this.macro(statement);
      case 'call-block':
        return this.callBlock(statement, isSoft);
      case 'filter-block':
        return this.enclosing(statement.body, statement.filter);
      case 'block':
        return this.block(statement);
      case 'autoescape':
        return this.autoescape(statement.value, statement.body, isSoft);
      case 'loader':
        return this.loader(statement.template, isSoft);
    }
  }

  private expression(node: Expression, isSoft = false): Evaluator {
    return compileExpression(node, this.environment, isSoft);
  }

  private if(statement: IfStatement): Renderer {
    const branches = statement.branches.map(({ condition, body }) => ({
      condition: this.expression(condition, true),
      render: this.body(body, true),
    }));
    const otherwise = this.body(statement.otherwise, true);
    return (scope, output) => {
      const chosen = branches.find(({ condition }) => truth(condition(scope)));
      (chosen?.render ?? otherwise)(scope, output);
    };
  }

  private for(statement: ForStatement, isSoft: boolean): Renderer {
    if (targetHas(statement.target, 'loop')) {
      throw assertionError("Can't assign to special loop variable in for-loop target", statement.offset);
    }
    const iterable = this.expression(statement.iterable, isSoft);
    const rounds = this.rounds(statement);
    return (scope, output) => rounds(iterate(iterable(scope)), 0, scope, output);
  }

  private rounds(
    statement: ForStatement,
  ): (items: Iterable<unknown>, depth0: number, scope: Scope, output: Output) => void {
    const assign = assigning(statement.target);
    const condition = statement.condition === null ? null : this.expression(statement.condition);
    const body = this.body(statement.body, false);
    const otherwise = this.body(statement.otherwise, false);
    const needsLoop = statement.recursive || mentions(statement.body, 'loop');
    const run = (source: Iterable<unknown>, depth0: number, scope: Scope, output: Output): void => {
      const items = condition === null ? [...source] : chosen(source, assign, condition, scope);
      const again = statement.recursive
        ? (inner: Iterable<unknown>, depth: number) =>
            scope.runtime.nested(() => captureAs(scope, (into) => run(inner, depth, scope, into)))
        : null;
      const loop = needsLoop ? new LoopContext(items, depth0, again) : null;
      for (const item of items) {
        scope.runtime.spend();
        const inner = scope.inner();
        if (loop !== null) {
          loop.index0++;
          inner.set('loop', loop);
        }
        assign(inner, item);
        body(inner, output);
      }
      if (items.length === 0) otherwise(scope.inner(), output);
    };
    return run;
  }

  private set(target: Target, value: Evaluator): Renderer {
    const assign = assigning(target);
    return (scope) => assign(scope, value(scope));
  }

  private setBlock(statement: SetBlockStatement): Renderer {
    const assign = assigning(statement.target);
    const body = this.body(statement.body, false);
    const filter = statement.filter === null ? null : this.expression(statement.filter);
    return (scope) => {
      const text = captureAs(scope, (into) => body(scope.inner(), into));
      assign(scope, filter === null ? text : filter(enclosing(scope, text)));
    };
  }

  private enclosing(enclosed: Body, filterNode: Expression): Renderer {
    const body = this.body(enclosed, false);
    const filter = this.expression(filterNode);
    return (scope, output) => {
      const text = captureAs(scope, (into) => body(scope.inner(), into));
      print(filter(enclosing(scope, text)), scope, output);
    };
  }

  private with(statement: WithStatement, isSoft: boolean): Renderer {
    const bindings = statement.bindings.map(({ target, value }) => ({
      assign: assigning(target),
      value: this.expression(value, isSoft),
    }));
    const body = this.body(statement.body, false);
    return (scope, output) => {
      const inner = scope.inner();
      for (const { assign, value } of bindings) assign(inner, value(scope));
      body(inner, output);
    };
  }

  private macro(statement: MacroStatement): Renderer {
    const make = this.macroMaker(statement.name, statement.signature, statement.body, statement.offset);
    return (scope) => scope.set(statement.name, make(scope));
  }

  private callBlock(statement: CallBlockStatement, isSoft: boolean): Renderer {
    const make = this.macroMaker('caller', statement.signature, statement.body, statement.offset);
    const { callee, args, offset } = statement.call;
    const caller: Expression = { kind: 'name', name: ENCLOSED, offset };
    const call: Expression = {
      kind: 'call',
      callee,
      args: { ...args, keywords: [...args.keywords, ['caller', caller]] },
      offset,
    };
    const value = this.expression(call, isSoft);
    return (scope, output) => print(value(enclosing(scope, make(scope))), scope, output);
  }

  private macroMaker(name: string, signature: Signature, body: Body, offset: number): (scope: Scope) => Macro {
    const shape = macroShape(name, signature, body);
    const required = signature.parameters.length - signature.defaults.length;
    if (signature.parameters.slice(0, required).includes('caller') && mentions(body, 'caller')) {
      throw assertionError(
        'When defining macros or call blocks the special "caller" argument must be omitted or be given a default.',
        offset,
      );
    }
    const defaults = signature.defaults.map((node) => this.expression(node));
    const render = this.body(body, false);
    const fill = filling(shape, required, defaults);
    return (scope) =>
      new Macro(shape, (values) => {
        const inner = scope.inner();
        fill(inner, values);
        return captureAs(inner, (into) => render(inner, into));
      });
  }

  private block(statement: BlockStatement): Renderer {
    if (this.blocks.has(statement.name)) {
      throw assertionError(`block '${statement.name}' defined twice`, statement.offset);
    }
    // The name is taken before the body is seen, as the body may hold further blocks.
    this.blocks.set(statement.name, () => undefined);
    const body = this.body(statement.body, false);
    const render: Renderer = (scope, output) => {
      if (statement.required) {
        throw new JinjaError('TemplateRuntimeError', `Required block '${statement.name}' not found`);
      }
      const inner = scope.inner();
      inner.set('super', new Undefined(`there is no parent block called '${statement.name}'.`));
      body(inner, output);
    };
    this.blocks.set(statement.name, render);
    return (scope, output) => render(statement.scoped ? scope : scope.root(), output);
  }

  private autoescape(valueNode: Expression, enclosed: Body, isSoft: boolean): Renderer {
    const value = this.expression(valueNode, isSoft);
    const body = this.body(enclosed, false);
    return (scope, output) => scope.runtime.escaping(truth(value(scope)), () => body(scope.inner(), output));
  }

  /** The template's name is evaluated, as that may fail first, but nothing can be loaded. */
  private loader(templateNode: Expression, isSoft: boolean): Renderer {
    const template = this.expression(templateNode, isSoft);
    return (scope) => {
      template(scope);
      throw typeError('no loader for this environment specified');
    };
  }
}

/** `self.name()` renders a block once more. */
class SelfReference extends JinjaObject {
  readonly typeName = 'TemplateReference';
  private readonly blocks: ReadonlyMap<string, Renderer>;
  private readonly scope: Scope;

  constructor(blocks: ReadonlyMap<string, Renderer>, scope: Scope) {
    super();
    this.blocks = blocks;
    this.scope = scope;
  }

  override attribute(name: string): Callable | undefined {
    const render = this.blocks.get(name);
    if (render === undefined) return undefined;
    return new NativeFunction(name, () => captureAs(this.scope, (into) => render(this.scope, into)));
  }
}

function printing(value: Evaluator): Renderer {
  return (scope, output) => print(value(scope), scope, output);
}

function print(value: unknown, scope: Scope, output: Output): void {
  output.write(scope.runtime.isEscaping ? escaped(value) : toText(value), scope);
}

function captured(render: Renderer, scope: Scope): string {
  const output = new Output();
  render(scope, output);
  return output.text();
}

/** What a body renders, as a value: markup where output is escaped. */
function captureAs(scope: Scope, render: (output: Output) => void): string | Markup {
  const output = new Output();
  render(output);
  return scope.runtime.isEscaping ? new Markup(output.text()) : output.text();
}

function enclosing(scope: Scope, value: unknown): Scope {
  const inner = scope.inner();
  inner.set(ENCLOSED, value);
  return inner;
}

function chosen(
  source: Iterable<unknown>,
  assign: (scope: Scope, value: unknown) => void,
  condition: Evaluator,
  scope: Scope,
): unknown[] {
  const items: unknown[] = [];
  for (const item of source) {
    scope.runtime.spend();
    const inner = scope.inner();
    assign(inner, item);
    if (truth(condition(inner))) items.push(item);
  }
  return items;
}

/** Sets a macro's parameters: what was given, else the default, else undefined. */
function filling(
  shape: MacroShape,
  required: number,
  defaults: readonly Evaluator[],
): (scope: Scope, values: ReadonlyMap<string, unknown>) => void {
  return (scope, values) => {
    for (const [name, value] of values) scope.set(name, value);
    shape.parameters.forEach((name, i) => {
      if (values.has(name)) return;
      const fallback = defaults[i - required];
      const value = fallback === undefined ? new Undefined(`parameter '${name}' was not provided`) : fallback(scope);
      scope.set(name, value);
    });
  };
}

function assigning(target: Target): (scope: Scope, value: unknown) => void {
  switch (target.kind) {
    case 'name':
      return (scope, value) => scope.set(target.name, value);
    case 'nsref':
      return (scope, value) => {
        const namespace = scope.get(target.name) ?? scope.runtime.variable(target.name);
        if (!(namespace instanceof Namespace)) {
          throw new JinjaError('TemplateRuntimeError', 'cannot assign attribute on non-namespace object');
        }
        namespace.attributes.set(target.attribute, value);
      };
    case 'tuple': {
      const parts = target.items.map(assigning);
      return (scope, value) => {
        const values = unpacked(value, parts.length);
        parts.forEach((assign, i) => assign(scope, values[i]));
      };
    }
  }
}

function unpacked(value: unknown, count: number): readonly unknown[] {
  if (!(value instanceof Undefined) && !canIterate(value)) {
    throw typeError(`cannot unpack non-iterable ${typeName(value)} object`);
  }
  const values = [...iterate(value)];
  if (values.length > count) throw valueError(`too many values to unpack (expected ${count})`);
  if (values.length < count) throw valueError(`not enough values to unpack (expected ${count}, got ${values.length})`);
  return values;
}

function targetHas(target: Target, name: string): boolean {
  if (target.kind === 'tuple') return target.items.some((item) => targetHas(item, name));
  return target.kind === 'name' && target.name === name;
}
