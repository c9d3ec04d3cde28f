package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A policyFile is the policy as YAML writes it. What is left out stays as the contract says; docs/policy.md explains each key.
type policyFile struct {
	Requests struct {
		LapseAfter *string `yaml:"lapseAfter"`
	} `yaml:"requests"`
	Terms struct {
		Shortest *string `yaml:"shortest"`
		Longest  *string `yaml:"longest"`
	} `yaml:"terms"`
	Warnings struct {
		Before *[]string `yaml:"before"`
	} `yaml:"warnings"`
	AutoExtend struct {
		By *string `yaml:"by"`
	} `yaml:"autoExtend"`
	Names struct {
		HoldFor *string `yaml:"holdFor"`
	} `yaml:"names"`
	Notices      noticesFile `yaml:"notices"`
	Provisioning struct {
		External   *bool   `yaml:"external"`
		StuckAfter *string `yaml:"stuckAfter"`
	} `yaml:"provisioning"`
	limitsFile `yaml:",inline"`
}

// readPolicy reads and checks a policy file, and reports all of its faults at once. Without a file it is the default. It has the
// breakers and the quarantine that the file says; a live deployment has others beside, see [app.limit].
func readPolicy(path string) (*lifecycle.Policy, error) {
	return readPolicyOver(lifecycle.DefaultPolicy(), path)
}

// readPolicyOver reads a file whose keys replace what stands in policy.
func readPolicyOver(policy *lifecycle.Policy, path string) (*lifecycle.Policy, error) {
	if path == "" {
		return policy, nil
	}
	raw, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, usageError("reading the policy: %w", err)
	}
	var file policyFile
	decoder := yaml.NewDecoder(bytes.NewReader(raw))
	decoder.KnownFields(true)
	var faults []error
	var wrong *yaml.TypeError
	switch err := decoder.Decode(&file); {
	case errors.As(err, &wrong):
		for _, fault := range wrong.Errors {
			faults = append(faults, errors.New(sayUnknownKey(fault)))
		}
	case err != nil && !errors.Is(err, io.EOF):
		return nil, usageError("the policy %s is not YAML: %w", path, err)
	}
	faults = append(faults, file.apply(policy)...)
	if err := policy.Validate(); err != nil {
		faults = append(faults, err)
	}
	if len(faults) > 0 {
		return nil, usageError("the policy %s cannot be used:\n%w\nThe keys are explained in docs/policy.md", path, errors.Join(faults...))
	}
	return policy, nil
}

// sayUnknownKey turns the YAML library's words for an unknown key into ours.
func sayUnknownKey(fault string) string {
	if before, after, ok := strings.Cut(fault, "field "); ok {
		if key, _, ok := strings.Cut(after, " not found in type"); ok {
			return before + fmt.Sprintf("the key %q is unknown", key)
		}
	}
	return fault
}

// apply overwrites what the file says, and finds every period that is none.
func (f *policyFile) apply(p *lifecycle.Policy) []error {
	var faults []error
	period := func(key string, text *string, to *lifecycle.Period) {
		if text == nil {
			return
		}
		parsed, err := lifecycle.ParsePeriod(*text)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", key, err))
			return
		}
		*to = parsed
	}
	period("requests.lapseAfter", f.Requests.LapseAfter, &p.Requests.LapseAfter)
	period("terms.shortest", f.Terms.Shortest, &p.Terms.Shortest)
	period("terms.longest", f.Terms.Longest, &p.Terms.Longest)
	period("autoExtend.by", f.AutoExtend.By, &p.AutoExtend.By)
	period("names.holdFor", f.Names.HoldFor, &p.Names.HoldFor)
	period("provisioning.stuckAfter", f.Provisioning.StuckAfter, &p.Provisioning.StuckAfter)
	if f.Provisioning.External != nil {
		p.Provisioning.External = *f.Provisioning.External
	}
	period("notices.staleAfter", f.Notices.StaleAfter, &p.Notices.StaleAfter)
	period("notices.eraseAfter", f.Notices.EraseAfter, &p.Notices.EraseAfter)
	if f.Warnings.Before != nil {
		p.Warnings.Before = make([]lifecycle.Period, len(*f.Warnings.Before))
		for i := range *f.Warnings.Before {
			period(fmt.Sprintf("warnings.before[%d]", i), &(*f.Warnings.Before)[i], &p.Warnings.Before[i])
		}
	}
	faults = append(faults, f.limitsFile.apply(p)...)
	return append(faults, f.Notices.apply(&p.Notices)...)
}
