package builtins

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"go.starlark.net/starlark"
)

// mathModule is what scripts call `math`.
func mathModule() module {
	return module{
		Name: "math",
		Doc: `math has functions of numbers, and the constants math.pi and math.e.

Ints are taken wherever floats are. Where there is no finite result, such as sqrt(-1), log(0) or exp(1000), the call fails.

    math.ceil(7 / 2)        # 4
    math.round(2 / 3, 2)    # 0.67`,
		Decls: []*Decl{
			whole("ceil", "the smallest int that is not less than x", "math.ceil(2.1) # 3", math.Ceil),
			whole("floor", "the largest int that is not more than x", "math.floor(2.9) # 2", math.Floor),
			whole("trunc", "x without what stands behind its point, as an int", "math.trunc(-2.9) # -2", math.Trunc),
			mathRound(),
			floatFunc("sqrt", "the square root of x", "math.sqrt(9) # 3.0", math.Sqrt),
			floatFunc("exp", "e to the power of x", "math.exp(0) # 1.0", math.Exp),
			mathLog(),
			floatFunc("log2", "the logarithm of x to base 2", "math.log2(8) # 3.0", math.Log2),
			floatFunc("log10", "the logarithm of x to base 10", "math.log10(1000) # 3.0", math.Log10),
			floatFunc("fabs", "the absolute value of x, as a float", "math.fabs(-2) # 2.0", math.Abs),
			floatFunc2("pow", "x", "y", "x to the power of y, as a float", "math.pow(2, 10) # 1024.0", math.Pow),
			floatFunc2("mod", "x", "y", "the remainder of x / y, with the sign of x", "math.mod(-7, 3) # -1.0", math.Mod),
			floatFunc2("hypot", "x", "y", "the length of the vector (x, y)", "math.hypot(3, 4) # 5.0", math.Hypot),
			floatFunc2("atan2", "y", "x", "the angle of the point (x, y), in radians", "math.atan2(0, 1) # 0.0", math.Atan2),
			floatFunc("sin", "the sine of x radians", "math.sin(0) # 0.0", math.Sin),
			floatFunc("cos", "the cosine of x radians", "math.cos(0) # 1.0", math.Cos),
			floatFunc("tan", "the tangent of x radians", "math.tan(0) # 0.0", math.Tan),
			floatFunc("asin", "the angle in radians whose sine is x", "math.asin(0) # 0.0", math.Asin),
			floatFunc("acos", "the angle in radians whose cosine is x", "math.acos(1) # 0.0", math.Acos),
			floatFunc("atan", "the angle in radians whose tangent is x", "math.atan(0) # 0.0", math.Atan),
			floatFunc("degrees", "the angle of x radians in degrees", "math.degrees(math.pi) # 180.0", func(x float64) float64 { return x * 180 / math.Pi }),
			floatFunc("radians", "the angle of x degrees in radians", "math.radians(180) == math.pi", func(x float64) float64 { return x * math.Pi / 180 }),
		},
		Consts: starlark.StringDict{"pi": starlark.Float(math.Pi), "e": starlark.Float(math.E)},
	}
}

func number(name string) Param { return Param{Name: name, Type: "int or float"} }

// floatFunc declares a function of one float.
func floatFunc(name, is, example string, fn func(float64) float64) *Decl {
	return &Decl{
		Name: name, Params: []Param{number("x")}, Result: "float",
		Doc: fmt.Sprintf("math.%s(x) is %s.\n\n    %s", name, is, example),
		Impl: func(c *Call) (starlark.Value, error) {
			x, err := c.floatArg(0, 0)
			if err != nil {
				return nil, err
			}
			return finite(c, fn(x), x)
		},
	}
}

// floatFunc2 declares a function of two floats.
func floatFunc2(name, first, second, is, example string, fn func(x, y float64) float64) *Decl {
	return &Decl{
		Name: name, Params: []Param{number(first), number(second)}, Result: "float",
		Doc: fmt.Sprintf("math.%s(%s, %s) is %s.\n\n    %s", name, first, second, is, example),
		Impl: func(c *Call) (starlark.Value, error) {
			x, err := c.floatArg(0, 0)
			if err != nil {
				return nil, err
			}
			y, err := c.floatArg(1, 0)
			if err != nil {
				return nil, err
			}
			return finite(c, fn(x, y), x, y)
		},
	}
}

// finite refuses results that are no numbers, whose trace would otherwise be lost until they reach an agent.
func finite(c *Call, result float64, args ...float64) (starlark.Value, error) {
	if !math.IsNaN(result) && !math.IsInf(result, 0) {
		return starlark.Float(result), nil
	}
	texts := make([]string, len(args))
	for i, x := range args {
		texts[i] = starlark.Float(x).String()
	}
	return nil, fmt.Errorf("%s: %s(%s) is not a finite number", c.Decl.Name, c.Decl.Name, strings.Join(texts, ", "))
}

// whole declares a function from a number to an int.
func whole(name, is, example string, fn func(float64) float64) *Decl {
	return &Decl{
		Name: name, Params: []Param{number("x")}, Result: "int",
		Doc: fmt.Sprintf("math.%s(x) is %s.\n\n    %s", name, is, example),
		Impl: func(c *Call) (starlark.Value, error) {
			if n, ok := c.Args[0].(starlark.Int); ok {
				return n, nil
			}
			x, err := c.floatArg(0, 0)
			if err != nil {
				return nil, err
			}
			if _, err := finite(c, x, x); err != nil {
				return nil, err
			}
			return starlark.NumberToInt(starlark.Float(fn(x)))
		},
	}
}

func mathRound() *Decl {
	return &Decl{
		Name:   "round",
		Params: []Param{number("x"), {Name: "digits", Type: "int", Default: "0"}},
		Result: "float",
		Doc: `math.round(x, digits=0) is the nearest float with so many digits behind its point. Without digits a half goes away from zero.

    math.round(2.5)      # 3.0
    math.round(0.666, 2) # 0.67`,
		Impl: func(c *Call) (starlark.Value, error) {
			digits, err := c.intArg(1, 0, 0)
			if err != nil {
				return nil, err
			}
			x, err := c.floatArg(0, 0)
			if err != nil {
				return nil, err
			}
			if digits == 0 {
				return finite(c, math.Round(x), x)
			}
			rounded, err := strconv.ParseFloat(strconv.FormatFloat(x, 'f', min(digits, 400), 64), 64)
			if err != nil {
				return nil, err
			}
			return finite(c, rounded, x)
		},
	}
}

func mathLog() *Decl {
	return &Decl{
		Name:   "log",
		Params: []Param{number("x"), {Name: "base", Type: "int or float", Default: "math.e"}},
		Result: "float",
		Doc: `math.log(x, base=math.e) is the logarithm of x.

    math.log(math.e) # 1.0
    math.log(8, 2)   # 3.0`,
		Impl: func(c *Call) (starlark.Value, error) {
			x, err := c.floatArg(0, 0)
			if err != nil {
				return nil, err
			}
			base, err := c.floatArg(1, math.E)
			if err != nil {
				return nil, err
			}
			switch base {
			case math.E:
				return finite(c, math.Log(x), x)
			case 2:
				return finite(c, math.Log2(x), x, base)
			case 10:
				return finite(c, math.Log10(x), x, base)
			}
			return finite(c, math.Log(x)/math.Log(base), x, base)
		},
	}
}
