package main

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// TestMistakesInChannelsShowNoSecrets gives addresses with a password in all kinds of wrong forms, on the command line and in the
// environment, to a command that uses them and to one that shows them.
func TestMistakesInChannelsShowNoSecrets(t *testing.T) {
	t.Parallel()
	for _, mistake := range []string{
		"https://hooks.example/hunter2", "https://hooks.example/x?y=hunter2", "=hunter2", "mail=hunter2", "mail:hunter2",
		"mail=gopher://user:hunter2@host", "mail=https://user:hunter2@host/hunter2?x=hunter2#secretFile=none",
		"mail=smtp://user:hun%zzhunter2@host", "mail=smtp://user:hunter2@@host/path:x", "mail=smtp:hunter2", "mail=smtp:user:hunter2@host",
		"mail=smtp://user:hunter2@host:port", "mail=smtp://user:hunter2@host#passwordFile=none", "mail=smtp://user@host#password=hunter2",
		"mail=//user:hunter2@host", "two words=https://hooks.example/hunter2",
	} {
		t.Run(mistake, func(t *testing.T) {
			t.Parallel()
			for _, args := range [][]string{{"sweep"}, {"sweep", "--print-config"}} {
				given := exec.CommandContext(t.Context(), "tenure", append(args, "--channel", mistake)...)
				inEnvironment := exec.CommandContext(t.Context(), "tenure", args...)
				inEnvironment.Env = append(inEnvironment.Environ(), "TENURE_CHANNEL="+mistake)
				for _, command := range []*exec.Cmd{given, inEnvironment} {
					command.Dir = t.TempDir()
					output, err := command.CombinedOutput()
					require.Equal(t, len(args) == 1, err != nil, "%s", output)
					require.NotEmpty(t, output)
					require.NotContains(t, string(output), "hunter2")
				}
			}
		})
	}
}

func TestChannelsOfAPolicyAreThoseOfItsRoutes(t *testing.T) {
	policy := &lifecycle.NoticePolicy{}
	require.Equal(t, []string{"mail"}, routedChannels(policy))
	policy.Routes = []lifecycle.Route{{People: []string{"post", "mail"}}, {Endpoints: []string{"desk"}, People: []string{"mail"}}, {}}
	require.Equal(t, []string{"desk", "mail", "post"}, routedChannels(policy))
}
