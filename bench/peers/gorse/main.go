// Gorse's CPU trainers on the same training pairs, on the same cores: one JSON line a task, factors beside it for Tacet's evaluator.
//
//	gorse-contestant FOLDER THREADS TASK...     tasks: bpr (20 epochs), als (its CCD, 10 epochs)
//
// FOLDER holds train.tsv (person<TAB>item, dense indices) and meta.json {people, items}. Gorse evaluates a validation set at the start and at the
// end of a fit; it is given one person, so that what is timed is training.
package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/zhenghaoz/gorse/base/log"
	"github.com/zhenghaoz/gorse/base/task"
	"github.com/zhenghaoz/gorse/model"
	"github.com/zhenghaoz/gorse/model/ranking"
)

type meta struct {
	People int `json:"people"`
	Items  int `json:"items"`
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// cpuSeconds is what the process has used so far, on all threads.
func cpuSeconds() float64 {
	var usage syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

func read(folder string) (train, one *ranking.DataSet, sizes meta) {
	text, err := os.ReadFile(folder + "/meta.json")
	must(err)
	must(json.Unmarshal(text, &sizes))
	train, one = ranking.NewMapIndexDataset(), ranking.NewMapIndexDataset()
	for _, set := range []*ranking.DataSet{train, one} {
		for person := 0; person < sizes.People; person++ {
			set.AddUser(strconv.Itoa(person))
		}
		for item := 0; item < sizes.Items; item++ {
			set.AddItem(strconv.Itoa(item))
		}
	}
	file, err := os.Open(folder + "/train.tsv")
	must(err)
	defer file.Close()
	lines := bufio.NewScanner(file)
	for first := true; lines.Scan(); first = false {
		person, item, _ := strings.Cut(lines.Text(), "\t")
		train.AddFeedback(person, item, false)
		if first {
			one.AddFeedback(person, item, false)
		}
	}
	must(lines.Err())
	return train, one, sizes
}

func write(path string, rows int, row func(int) []float32) {
	file, err := os.Create(path)
	must(err)
	out := bufio.NewWriter(file)
	for at := 0; at < rows; at++ {
		for _, value := range row(at) {
			var bytes [4]byte
			binary.LittleEndian.PutUint32(bytes[:], math.Float32bits(value))
			_, err = out.Write(bytes[:])
			must(err)
		}
	}
	must(out.Flush())
	must(file.Close())
}

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: gorse-contestant FOLDER THREADS TASK...")
		os.Exit(2)
	}
	log.CloseLogger()
	folder := os.Args[1]
	threads, err := strconv.Atoi(os.Args[2])
	must(err)
	train, one, sizes := read(folder)
	for _, name := range os.Args[3:] {
		var fitted ranking.MatrixFactorization
		switch name {
		case "bpr":
			fitted = ranking.NewBPR(model.Params{model.NFactors: 64, model.NEpochs: 20, model.Lr: 0.05, model.Reg: 0.01, model.InitStdDev: 0.1})
		case "als":
			fitted = ranking.NewCCD(model.Params{model.NFactors: 64, model.NEpochs: 10, model.Reg: 0.05, model.Alpha: 0.1, model.InitStdDev: 0.1})
		default:
			fmt.Fprintln(os.Stderr, "unknown task", name)
			os.Exit(2)
		}
		config := ranking.NewFitConfig().SetVerbose(1000).SetJobsAllocator(task.NewConstantJobsAllocator(threads))
		start, cpu := time.Now(), cpuSeconds()
		fitted.Fit(train, one, config)
		seconds := map[string]float64{"wall": time.Since(start).Seconds(), "cpu": cpuSeconds() - cpu}
		write(folder+"/gorse-"+name+"-people.f32", sizes.People, func(at int) []float32 {
			return fitted.GetUserFactor(fitted.GetUserIndex().ToNumber(strconv.Itoa(at)))
		})
		write(folder+"/gorse-"+name+"-items.f32", sizes.Items, func(at int) []float32 {
			return fitted.GetItemFactor(fitted.GetItemIndex().ToNumber(strconv.Itoa(at)))
		})
		line, err := json.Marshal(map[string]any{"peer": "Gorse 0.4.15", "task": name, "seconds": seconds, "factors": "gorse-" + name, "dimension": 64})
		must(err)
		fmt.Println(string(line))
	}
}
