package diagnose

// allPages is the manual of the codes. Where a page has an example without Right, its fix is the answer, and a test runs both.
func allPages() []Page {
	return append(append(syntaxPages(), namePages()...), flowPages()...)
}

// syntaxPages are of what the interpreter cannot read.
func syntaxPages() []Page {
	return []Page{
		{Code: "syntax", Why: "this cannot be read as Starlark", Hint: "compare the line with what stands before it: a bracket, a comma or a colon may be missing"},
		{
			Code: "f-string", Why: "Starlark has no f-strings", Hint: "use format, and math.round where digits were asked for",
			Wrong: "def main(name = \"x\", cost = 1.5):\n    return f\"{name}: {cost:.2f} {f'<{name!r}>'}\"\n",
		},
		{Code: "template-string", Why: "Starlark has no template strings", Hint: "use a string and format", Wrong: "def main(name = \"x\"):\n    return `hello ${name}`\n"},
		{Code: "string-prefix", Why: "all strings are Unicode, and there is no u prefix", Wrong: "def main():\n    return u\"text\"\n"},
		{Code: "implicit-concatenation", Why: "strings that stand side by side are not joined", Hint: "join them with +", Wrong: "def main():\n    return (\"one \"\n            \"two\")\n"},
		{Code: "unclosed-string", Why: "the string has no end", Hint: "add the closing quote", Wrong: "def main():\n    return \"text\n"},
		{Code: "unclosed-bracket", Why: "nothing closes this bracket", Hint: "add the closing one", Wrong: "def main(xs = []):\n    return len(xs\n"},
		{
			Code: "format-spec", Why: "formats with a width or precision are not supported", Hint: "use math.round for digits, and str for the rest",
			Wrong: "def main(cost = 1.234):\n    return \"%.2f\" % cost + \"{:.1f}\".format(cost)\n",
		},
		{
			Code: "try", Why: "Starlark has no exceptions to catch", Hint: "attempt(fn, ...) gives .ok, .value and .error", More: "attempt catches the errors of effects and of fail; bugs in the script end the run. Failures have codes, not classes:\nlook at tried.error.code.",
			Wrong: "def main():\n    try:\n        answer = agent(\"critic\").ask(\"well?\").value\n    except Exception as e:\n        answer = str(e)\n    return answer\n",
		},
		{Code: "raise", Why: "Starlark has no exceptions to raise", Hint: "fail(message) ends the run, or the attempt around it", Wrong: "def main(n = 1):\n    if n < 0:\n        raise ValueError(\"negative\")\n    return n\n"},
		{Code: "assert", Why: "Starlark has no assert", Hint: "ask with if, and fail", Wrong: "def main(n = 1):\n    assert n > 0, \"not positive\"\n    return n\n"},
		{
			Code: "import", Why: "there is nothing to import: json, math, re, stats and time are there, and files are loaded", Hint: "load(\":file.star\", \"name\") takes a name from a file beside this one",
			Wrong: "import json\nfrom math import sqrt\n\ndef main():\n    return json.encode(sqrt(4))\n",
		},
		{Code: "class", Why: "Starlark has no classes", Hint: "use record for data, enum for choices, and functions", Wrong: "class Review:\n    text: str\n    score: float = 0.5\n\ndef main():\n    return Review(text = \"fine\").score\n"},
		{Code: "decorator", Why: "Starlark has no decorators", Hint: "call the function with the other, and give the result a name", Wrong: "def twice(fn):\n    return lambda: fn() * 2\n\n@twice\ndef two():\n    return 2\n\ndef main():\n    return two()\n"},
		{Code: "while", Why: "Starlark has no while: every loop must end", Hint: "loop over range(N) with the most rounds there can be, and break", Wrong: "def main(n = 10):\n    while n > 1:\n        n = n // 2\n    return n\n"},
		{Code: "loop-else", Why: "a loop has no else", Hint: "note in a variable that the loop was left", Wrong: "def main(xs = []):\n    for x in xs:\n        if x:\n            break\n    else:\n        return \"none\"\n    return \"some\"\n"},
		{Code: "is", Why: "Starlark has no is", Hint: "use ==, also for None", Wrong: "def main(x = None):\n    return x is not None\n"},
		{Code: "power", Why: "Starlark has no **", Hint: "multiply, or use math.pow, which gives a float", Wrong: "def main(x = 2):\n    return x ** 2 + 2 ** x\n"},
		{Code: "annotation", Why: "Starlark has no type annotations", Hint: "leave them out; record(...) has types that are checked", Wrong: "def main(name: str, count: int = 3) -> str:\n    text: str = name * count\n    return text\n"},
		{Code: "positional-only", Why: "Starlark has no positional-only parameters", Wrong: "def main(a, /, b = 1):\n    return a\n"},
		{Code: "async", Why: "there is nothing to await: effects wait by themselves", Hint: "parallel, gather and race run calls side by side", Wrong: "async def main():\n    return await agent(\"critic\").ask(\"well?\")\n"},
		{Code: "with", Why: "Starlark has no with: nothing needs to be closed", Hint: "give the value a name", Wrong: "def main():\n    with agent(\"critic\") as critic:\n        return critic.ask(\"well?\").value\n"},
		{Code: "walrus", Why: "Starlark does not assign in expressions", Hint: "assign on a line before", Wrong: "def main(xs = []):\n    if (n := len(xs)) > 3:\n        return n\n    return 0\n"},
		{Code: "yield", Why: "Starlark has no generators", Hint: "collect in a list and return it", Wrong: "def odd(xs):\n    for x in xs:\n        if x % 2:\n            yield x\n\ndef main():\n    return odd([1, 2, 3])\n"},
		{Code: "match", Why: "Starlark has no match", Hint: "use if and elif, or a dict", Wrong: "def main(kind = \"a\"):\n    match kind:\n        case \"a\" | \"b\":\n            return 1\n        case _:\n            return 2\n"},
		{Code: "switch", Why: "Starlark has no switch", Hint: "use if and elif, or a dict", Wrong: "def main(kind):\n    switch (kind) {\n        case 1: return \"one\"\n    }\n", Right: "def main(kind):\n    if kind == 1:\n        return \"one\"\n"},
		{Code: "del", Why: "Starlark has no del", Hint: "pop removes an element", Wrong: "def main():\n    d = {\"a\": 1}\n    del d[\"a\"]\n    return d\n"},
		{Code: "global", Why: "globals cannot be changed, nor can the variables of a function around this one", Hint: "return the new value, or keep it in state", Wrong: "count = 0\n\ndef step():\n    global count\n    count += 1\n    return count\n\ndef main():\n    return step()\n"},
		{Code: "print-statement", Why: "print is a function", Wrong: "def main():\n    print \"hello\"\n"},
		{Code: "else-if", Why: "it is written elif", Wrong: "def main(x = 1):\n    if x > 1:\n        return 1\n    else if x < 0:\n        return 2\n    return 3\n"},
		{Code: "ternary", Why: "Starlark has no ? :", Hint: "write YES if CONDITION else NO", Wrong: "def main(x = 1):\n    return x > 0 ? \"yes\" : \"no\"\n"},
		{Code: "no-else", Why: "a conditional expression needs an else", Wrong: "def main(x = 1):\n    y = x if x > 0\n    return y\n"},
		{Code: "coalesce", Why: "Starlark has no ?? or ?.", Hint: "compare with None", Wrong: "def main(x = None):\n    return x ?? \"default\"\n"},
		{Code: "logical-operator", Why: "they are written and, or and not", Wrong: "def main(a = True, b = False):\n    return a && !b || b\n"},
		{Code: "increment", Why: "Starlark has no ++ and --", Hint: "write x += 1", Wrong: "def main():\n    n = 0\n    n++\n    return n\n"},
		{Code: "strict-equality", Why: "there is one kind of equality: == and !=", Wrong: "def main(x = 1):\n    return x === 1 or x !== 2\n"},
		{Code: "chained-comparison", Why: "comparisons are not chained", Hint: "join them with and", Wrong: "def main(x = 1):\n    return 0 < x < 10\n"},
		{Code: "dict-unpack", Why: "a dict cannot be unpacked in another", Hint: "join dicts with |", Wrong: "def main(a = {}):\n    return {**a, \"k\": 1}\n"},
		{Code: "set-literal", Why: "braces make dicts only", Hint: "use set([...])", Wrong: "def main():\n    return len({1, 2, 3})\n"},
		{Code: "star-element", Why: "a list cannot be unpacked in another", Hint: "join lists with +", Wrong: "def main(xs = []):\n    return [1, *xs, 2]\n"},
		{Code: "star-target", Why: "a star cannot stand before a target", Hint: "take the parts by index", Wrong: "def main(xs = [1, 2, 3]):\n    first, *rest = xs\n    return rest\n"},
		{Code: "chained-assignment", Why: "one assignment has one target", Hint: "assign on lines of their own", Wrong: "def main():\n    a = b = 1\n    return a + b\n"},
		{Code: "generator", Why: "Starlark has no generator expressions", Hint: "put brackets around it, for a list", Wrong: "def main(xs = []):\n    return any(x > 1 for x in xs)\n"},
		{Code: "lambda-statement", Why: "a lambda holds one expression", Hint: "use def", Wrong: "def main(xs = []):\n    return sorted(xs, key = lambda x: return -x)\n"},
		{Code: "arrow-function", Why: "functions without a name are written lambda", Wrong: "def main(xs = []):\n    return sorted(xs, key = (x) => -x)\n"},
		{Code: "assignment-in-condition", Why: "= assigns, == compares", Wrong: "def main(x = 1):\n    if x = 1:\n        return True\n    return False\n"},
		{Code: "missing-colon", Why: "a colon is missing here", Wrong: "def main(x = 1)\n    if x > 0\n        return x\n"},
		{Code: "empty-block", Why: "the block is empty", Hint: "write pass", Wrong: "def todo():\n    # later\n\ndef main():\n    return todo()\n"},
		{Code: "ellipsis", Why: "Starlark has no ...", Hint: "write pass", Wrong: "def main():\n    ...\n"},
		{Code: "indentation", Why: "the indentation fits no block", Wrong: "def main():\n    x = 1\n      y = 2\n    return x\n"},
		{Code: "tabs", Why: "tabs and blanks are mixed in the indentation, and a tab counts as eight", Hint: "use four blanks", Wrong: "def main(x = 1):\n\tif x:\n        return 1\n\treturn 2\n"},
		{Code: "braces", Why: "blocks are indented, not put in braces", Wrong: "def main(x = 1):\n    if (x > 0) {\n        return 1\n    } else {\n        return 2\n    }\n"},
		{Code: "function", Why: "functions are written def", Wrong: "function main(x) {\n    return x;\n}\n"},
		{Code: "declaration", Why: "variables are not declared", Hint: "assign a value", Wrong: "def main():\n    let x = 1\n    const y = 2;\n    int z = 3;\n    return x + y + z\n"},
		{Code: "c-for", Why: "loops go over a range or a list", Wrong: "def main():\n    total = 0\n    for (let i = 0; i < 10; i++) {\n        total += i;\n    }\n    return total\n"},
		{Code: "new", Why: "values are made by a call", Wrong: "def main():\n    return new struct(x = 1)\n"},
		{Code: "comment", Why: "comments begin with #", Wrong: "// what it does\ndef main():\n    /* nothing yet */\n    return 1\n"},
		{Code: "number", Why: "numbers are written without underscores, suffixes and leading zeros", Wrong: "def main():\n    return 1_000 + 10n\n"},
		{Code: "character", Why: "this character only looks like one of a program", Wrong: "def main():\n    return \u201ctext\u201d\n"},
		{Code: "markdown-fence", Why: "this is of the document around the program", Wrong: "```python\ndef main():\n    return 1\n```\n"},
		{Code: "merge-conflict", Why: "a merge was left unfinished", Hint: "choose one side and delete the marks", Wrong: "def main():\n<<<<<<< ours\n    return 1\n=======\n    return 2\n>>>>>>> theirs\n", Right: "def main():\n    return 1\n"},
	}
}

// namePages are of names, methods and arguments.
func namePages() []Page {
	return []Page{
		{Code: "undefined", Why: "nothing of that name is defined", Wrong: "def main(question = \"\"):\n    return agnet(\"critic\").ask(question)\n"},
		{Code: "resolve", Why: "names are used in a way that Starlark does not allow"},
		{Code: "foreign-constant", Why: "the constants are True, False and None", Wrong: "def main():\n    return [true, false, null]\n"},
		{Code: "foreign-builtin", Why: "a pattern has other functions", Hint: "for those there are see parallax doc", Wrong: "def main(x = 1, xs = []):\n    if isinstance(x, (int, str)):\n        console.log(x)\n    return sum(map(lambda x: x + 1, xs))\n"},
		{Code: "foreign-method", Why: "the type has other methods", Wrong: "def main():\n    xs = []\n    xs.push(\" a \".trim())\n    return xs.length\n"},
		{Code: "unknown-method", Why: "the value has nothing of that name", Wrong: "def main():\n    return \"a\".uper() + agent(\"critic\").run(\"well?\").value\n"},
		{Code: "unknown-keyword", Why: "the function has no parameter of that name", Hint: "look up what it takes, such as with parallax doc parallel", Wrong: "def main(xs = []):\n    return sorted(xs, revers = True)\n"},
		{
			Code: "near-parameter", Warning: true, Why: "the argument is handed on as an input, though its name is nearly that of a parameter", Hint: "where it is meant as an input, another name is clearer",
			Wrong: "def main():\n    return agent(\"critic\").ask(\"well?\", timout = \"3s\").value\n",
		},
		{Code: "arguments", Why: "the function takes other arguments", Hint: "look up what it takes, such as with parallax doc ask", Wrong: "def main():\n    return agent(\"critic\").ask()\n", Right: "def main():\n    return agent(\"critic\").ask(\"well?\")\n"},
		{Code: "argument-order", Why: "arguments by position come before those by name", Wrong: "def main(xs = []):\n    return sorted(reverse = True, xs)\n"},
		{Code: "parameter-order", Why: "parameters without a default come before those with one", Wrong: "def main(a = 1, b):\n    return a\n"},
		{Code: "none-attribute", Why: "None has no attributes", Wrong: "def main():\n    return None.value\n"},
		{Code: "bare-key", Why: "the key of a dict is a string, and needs quotes", Wrong: "def main():\n    return {name: \"x\"}\n"},
		{Code: "main-guard", Why: "a pattern needs no guard: main is called by the run", Hint: "leave it out", Wrong: "def main():\n    return 1\n\nif __name__ == \"__main__\":\n    main()\n"},
		{Code: "string-iteration", Why: "a string is no sequence", Hint: "s.elems() gives its characters", Wrong: "def main():\n    return [c for c in \"abc\"]\n"},
		{Code: "string-plus-number", Why: "a string and a number cannot be added", Hint: "use str", Wrong: "def main(xs = []):\n    return \"count: \" + len(xs)\n"},
		{Code: "secret", Why: "this looks like a key, and whoever reads the pattern can use it", Hint: "revoke it, and set the variable that the agent reads from the environment", Wrong: "def main():\n    return \"ghp_" + "0123456789abcdefghijABCDEFGHIJ012345\"\n"},
		{Code: "unknown-agent", Why: "parallax.toml names no such agent"},
		{Code: "no-such-name", Why: "the file that is loaded does not define the name"},
		{Code: "label", Why: "this is not the label of a file", Hint: "write \":file.star\" for a file beside this one, \"//dir/file.star\" from the package root, or \"@std//file.star\""},
		{Code: "package", Why: "the label names another package"},
		{Code: "missing", Why: "there is no such file"},
		{Code: "link", Why: "there is a link on the way to the file, and those could lead out of the package"},
		{Code: "not-regular", Why: "what the label means is no regular file"},
		{Code: "too-large", Why: "the source is larger than a pattern may be", Hint: "split it into modules and load() them"},
		{Code: "unreadable", Why: "the file cannot be read"},
		{Code: "cycle", Why: "files load each other in a circle", Hint: "move what both need into a third file"},
	}
}

// flowPages are of what can be read and goes wrong.
func flowPages() []Page {
	return []Page{
		{Code: "no-main", Why: "a pattern starts at main, and there is none", Hint: "add one: def main(question): ...", More: "A warning where the file may be meant as a module, which others load; an error where it is the main file of a project\nor is named in a call of run.", Wrong: "def review(text):\n    return text\n", Right: "def review(text):\n    return text\n\ndef main(text):\n    return review(text)\n"},
		{
			Code: "late-binding", Why: "the function captures a variable of a loop, and will see its last value", Hint: "use parallel(fn, items), or bind the value now: lambda x=x: ...", More: "An error where a fork is known to run the function later, a warning where it can only be guessed.",
			Wrong: "def main(xs = []):\n    return gather(*[lambda: x for x in xs]).values\n", Right: "def main(xs = []):\n    return parallel(lambda x: x, xs).values\n",
		},
		{Code: "top-level-effect", Why: "effects only work below main, not while a file is loaded", Hint: "move the call into main or a function that main calls", Wrong: "answer = agent(\"critic\").ask(\"well?\")\n\ndef main():\n    return answer\n", Right: "def main():\n    return agent(\"critic\").ask(\"well?\")\n"},
		{Code: "top-level", Why: "the code that runs while the file is loaded failed"},
		{Code: "top-level-control", Why: "if and for only stand in functions", Hint: "move it into a function, and call that", Wrong: "names = []\nfor n in range(3):\n    names.append(str(n))\n\ndef main():\n    return names\n"},
		{Code: "reassigned", Why: "a global has one value", Hint: "give the new value another name", Wrong: "limit = 3\nlimit += 1\n\ndef main():\n    return limit\n"},
		{Code: "return-outside", Why: "return only stands in a function", Wrong: "def main():\n    return 1\n\nreturn 2\n"},
		{Code: "break-outside", Why: "break and continue only stand in a loop", Wrong: "def main(x = 1):\n    if x:\n        break\n    return x\n"},
		{Code: "load-inside", Why: "load only stands at the top of a file", Wrong: "def main():\n    load(\":lib.star\", \"helper\")\n    return helper()\n"},
		{Code: "recursion", Why: "Starlark refuses recursion", Hint: "use a loop, with a list of what is left to do", Wrong: "def factorial(n):\n    if n < 2:\n        return 1\n    return n * factorial(n - 1)\n\ndef main():\n    return factorial(5)\n"},
		{Code: "forked-write", Why: "what crosses a fork is frozen, and a branch cannot change it", Hint: "return the value; .values holds those of all branches", Wrong: "def main(xs = []):\n    found = []\n    def work(x):\n        found.append(x + 1)\n    parallel(work, xs)\n    return found\n"},
		{Code: "frozen-global", Warning: true, Why: "globals are frozen once the file is loaded", Hint: "use a variable of main, or state", Wrong: "seen = []\n\ndef main(x = 1):\n    seen.append(x)\n    return len(state.get(\"seen\", []))\n"},
		{Code: "unseen-failures", Warning: true, Why: "failures are collected and nobody looks at them", Hint: "look at .failed, or leave out on_error", Wrong: "def main(xs = []):\n    out = parallel(lambda x: x, xs, on_error = \"collect\")\n    return out.values\n"},
	}
}
